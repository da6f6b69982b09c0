package shopify

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// selection is a field of a query, with what is asked of it.
type selection struct {
	name   string
	args   map[string]any
	fields []selection
	on     string // "... on Type"
}

// parser reads the subset of GraphQL that this shop knows: one operation,
// variables, arguments, nested fields, inline fragments.
type parser struct {
	toks []string
	vars map[string]any
}

func parseQuery(text string, vars map[string]any) (kind string, fields []selection, err error) {
	p := &parser{toks: tokens(text), vars: vars}
	kind = "query"
	if t := p.peek(); t == "query" || t == "mutation" {
		kind = p.next()
		if p.peek() != "{" && p.peek() != "(" {
			p.next() // its name
		}
		if p.peek() == "(" { // the variables' types
			for t := p.next(); t != ")"; t = p.next() {
				if t == "" {
					return "", nil, fmt.Errorf("syntax error: unexpected end of file")
				}
			}
		}
	}
	fields, err = p.set()
	if err == nil && p.peek() != "" {
		err = fmt.Errorf("syntax error: unexpected %q", p.peek())
	}
	return kind, fields, err
}

func tokens(s string) (out []string) {
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case c == ' ' || c == '\n' || c == '\t' || c == '\r' || c == ',':
			i++
		case c == '#':
			for i < len(s) && s[i] != '\n' {
				i++
			}
		case c == '"':
			k := i + 1
			for k < len(s) && s[k] != '"' {
				if s[k] == '\\' {
					k++
				}
				k++
			}
			k = min(k+1, len(s))
			out = append(out, s[i:k])
			i = k
		case strings.HasPrefix(s[i:], "..."):
			out = append(out, "...")
			i += 3
		case word(c) || c == '-':
			k := i + 1
			for k < len(s) && (word(s[k]) || s[k] == '.') {
				k++
			}
			out = append(out, s[i:k])
			i = k
		default:
			out = append(out, s[i:i+1])
			i++
		}
	}
	return out
}

func word(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

func (p *parser) peek() string {
	if len(p.toks) == 0 {
		return ""
	}
	return p.toks[0]
}

func (p *parser) next() string {
	t := p.peek()
	if t != "" {
		p.toks = p.toks[1:]
	}
	return t
}

func (p *parser) expect(t string) error {
	if got := p.next(); got != t {
		return fmt.Errorf("syntax error: expected %q, got %q", t, got)
	}
	return nil
}

func (p *parser) set() (out []selection, err error) {
	if err := p.expect("{"); err != nil {
		return nil, err
	}
	for p.peek() != "}" {
		var f selection
		if p.peek() == "..." {
			p.next()
			if err := p.expect("on"); err != nil {
				return nil, err
			}
			f.on = p.next()
		} else {
			if f.name = p.next(); f.name == "" || !word(f.name[0]) {
				return nil, fmt.Errorf("syntax error: unexpected %q", f.name)
			}
			if f.args, err = p.arguments(); err != nil {
				return nil, err
			}
		}
		if p.peek() == "{" {
			if f.fields, err = p.set(); err != nil {
				return nil, err
			}
		}
		out = append(out, f)
	}
	p.next()
	return out, nil
}

func (p *parser) arguments() (map[string]any, error) {
	if p.peek() != "(" {
		return nil, nil
	}
	p.next()
	args := map[string]any{}
	for p.peek() != ")" {
		name := p.next()
		if err := p.expect(":"); err != nil {
			return nil, err
		}
		v, err := p.value()
		if err != nil {
			return nil, err
		}
		args[name] = v
	}
	p.next()
	return args, nil
}

func (p *parser) value() (any, error) {
	switch t := p.next(); {
	case t == "$":
		name := p.next()
		v, ok := p.vars[name]
		if !ok {
			return nil, fmt.Errorf("variable $%s of the query was not given", name)
		}
		return v, nil
	case t == "":
		return nil, fmt.Errorf("syntax error: unexpected end of file")
	case t[0] == '"':
		return strconv.Unquote(t)
	case t == "null":
		return nil, nil
	case t[0] >= '0' && t[0] <= '9':
		return json.Number(t), nil
	default:
		return t, nil // an enum
	}
}

// number reads a whole argument.
func number(v any, otherwise int) int {
	switch n := v.(type) {
	case float64:
		return int(n)
	case json.Number:
		i, err := n.Int64()
		if err == nil {
			return int(i)
		}
	}
	return otherwise
}

// lists that are no connections: they take "first" and come as they are.
var plainLists = map[string]bool{"userErrors": true, "field": true, "fulfillments": true, "refunds": true, "tags": true}

// cost counts the points of fields: scalars are free, an object costs 1, a
// connection 2 and its objects.
func cost(fields []selection) (points int) {
	for _, f := range fields {
		switch {
		case f.on != "":
			points += cost(f.fields)
		case len(f.fields) == 0, f.name == "pageInfo":
		case f.args["first"] != nil && plainLists[f.name]:
			points += number(f.args["first"], 1) * (1 + cost(f.fields))
		case f.args["first"] != nil:
			points += 2
			for _, inner := range f.fields {
				if inner.name == "nodes" {
					points += number(f.args["first"], 1) * (1 + cost(inner.fields))
				}
			}
		default:
			points += 1 + cost(f.fields)
		}
	}
	return points
}

// answer picks the fields out of v, as asked; a field that v has not is an
// error.
func answer(v any, fields []selection, kind string) (any, error) {
	switch v := v.(type) {
	case nil:
		return nil, nil
	case []any:
		out := make([]any, len(v))
		for i := range v {
			var err error
			if out[i], err = answer(v[i], fields, kind); err != nil {
				return nil, err
			}
		}
		return out, nil
	case map[string]any:
		if len(fields) == 0 {
			return nil, fmt.Errorf("field must have selections (field '%s' returns an object)", kind)
		}
		out := map[string]any{}
		for _, f := range fields {
			if f.on != "" {
				part, err := answer(v, f.fields, f.on)
				if err != nil {
					return nil, err
				}
				for k, x := range part.(map[string]any) {
					out[k] = x
				}
				continue
			}
			child, ok := v[f.name]
			if !ok {
				return nil, fmt.Errorf("field '%s' doesn't exist on type '%s'", f.name, kind)
			}
			if list, ok := child.([]any); ok && f.name != "nodes" {
				child = page(list, f)
			}
			var err error
			if out[f.name], err = answer(child, f.fields, f.name); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	if len(fields) > 0 {
		return nil, fmt.Errorf("selections can't be made on scalars (field '%s')", kind)
	}
	return v, nil
}

// page cuts a list as "first" and "after" say; a connection gets its frame.
func page(list []any, f selection) any {
	start := 0
	if after, ok := f.args["after"].(string); ok {
		n, err := strconv.Atoi(strings.TrimPrefix(after, "cursor-"))
		if err == nil {
			start = min(n, len(list))
		}
	}
	end := min(start+number(f.args["first"], len(list)), len(list))
	part := list[start:end]
	if plainLists[f.name] {
		return part
	}
	return map[string]any{"nodes": part, "pageInfo": map[string]any{"hasNextPage": end < len(list), "endCursor": "cursor-" + strconv.Itoa(end)}}
}
