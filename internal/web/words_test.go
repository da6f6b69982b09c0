package web

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"imreport/internal/i18n"
)

// TestEveryErrorHasWords reads the source of the whole program: each key that
// an errs.Error is made with has its sentence, in both languages (package i18n
// keeps them alike).
func TestEveryErrorHasWords(t *testing.T) {
	found := 0
	key := func(set *token.FileSet, e ast.Expr) {
		lit, ok := e.(*ast.BasicLit)
		if !ok || lit.Kind != token.STRING {
			return
		}
		k, err := strconv.Unquote(lit.Value)
		if err != nil {
			t.Fatal(err)
		}
		found++
		if !i18n.Has(k) {
			t.Errorf("%s: no sentence %s", set.Position(e.Pos()), k)
		}
	}
	for _, root := range []string{"../../internal", "../../cmd"} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			set := token.NewFileSet()
			f, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			ast.Inspect(f, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.CallExpr:
					if s, ok := n.Fun.(*ast.SelectorExpr); ok && isName(s.X, "errs") && len(n.Args) > 1 && (s.Sel.Name == "E" || s.Sel.Name == "InvalidField") {
						key(set, n.Args[1])
					}
				case *ast.CompositeLit:
					s, ok := n.Type.(*ast.SelectorExpr)
					if !ok || !isName(s.X, "errs") {
						return true
					}
					for _, e := range n.Elts {
						if kv, ok := e.(*ast.KeyValueExpr); ok && isName(kv.Key, "Key") {
							key(set, kv.Value)
						}
					}
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if found < 100 {
		t.Errorf("only %d keys found: the search is wrong", found)
	}
}

func isName(e ast.Expr, name string) bool {
	id, ok := e.(*ast.Ident)
	return ok && id.Name == name
}
