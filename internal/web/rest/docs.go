package rest

import (
	"bytes"
	"cmp"
	_ "embed"
	"encoding/json"
	"html/template"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"imreport/internal/i18n"
	"imreport/internal/web"
)

// Addresses of the documents.
const (
	specPath  = "/api/openapi.json"
	docsPath  = "/api/docs"
	stylePath = "/api/docs/style.css"
)

//go:embed docs.html
var docsHTML string

//go:embed docs.css
var docsCSS []byte

// documents are the two forms of the specification in one language.
type documents struct {
	json []byte
	html []byte
}

func (a *API) serveDocuments() {
	open := web.Access{Public: true}
	a.site.API("GET "+specPath, open, func(w http.ResponseWriter, r *http.Request) error {
		d, err := a.documents(web.Of(r.Context()).Lang)
		if err != nil {
			return err
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-cache")
		_, err = w.Write(d.json)
		return err
	})
	a.site.Page("GET "+docsPath, open, func(w http.ResponseWriter, r *http.Request) error {
		l := web.Of(r.Context()).Lang
		if chosen, ok := i18n.Parse(r.URL.Query().Get("lang")); ok {
			l = chosen
		}
		d, err := a.documents(l)
		if err != nil {
			return err
		}
		h := w.Header()
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Content-Language", string(l))
		h.Set("Cache-Control", "no-cache")
		_, err = w.Write(d.html)
		return err
	})
	a.site.Plain("GET "+stylePath, func(w http.ResponseWriter, _ *http.Request) error {
		w.Header().Set("Content-Type", "text/css; charset=utf-8")
		w.Header().Set("Cache-Control", "max-age=3600")
		_, err := w.Write(docsCSS)
		return err
	})
}

// documents are made once per language, when somebody asks.
func (a *API) documents(l i18n.Lang) (*documents, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if d := a.docs[l]; d != nil {
		return d, nil
	}
	s := spec(a.ops, l)
	var d documents
	var err error
	if d.json, err = json.MarshalIndent(s, "", " "); err != nil {
		return nil, err
	}
	if d.html, err = docsPage(a.ops, s, l); err != nil {
		return nil, err
	}
	a.docs[l] = &d
	return &d, nil
}

// What the page shows, in the order of the operations.
type (
	docPage struct {
		Lang   i18n.Lang
		Spec   string
		Style  string
		Groups []docGroup
		Types  []docType
	}
	docGroup struct {
		Tag, About string
		Ops        []docOp
	}
	docOp struct {
		ID, Method, Path, Title, Detail string
		Params                          []docRow
		Body                            *docRow // Name holds the media types
		Answers                         []docRow
	}
	docType struct {
		Name string
		Rows []docRow
	}
	// docRow is a parameter, an answer or a member.
	docRow struct {
		Name, Kind, Ref, Text string
		Must                  bool
	}
)

func docsPage(ops []Operation, s object, l i18n.Lang) ([]byte, error) {
	t, err := template.New("docs").Funcs(template.FuncMap{
		"t":     func(key string) string { return i18n.T(l, key) },
		"lower": strings.ToLower,
		"code":  codeMarks,
	}).Parse(docsHTML)
	if err != nil {
		return nil, err
	}
	p := docPage{Lang: l, Spec: specPath, Style: stylePath}
	paths := s["paths"].(object)
	for _, tag := range tagsOf(ops) {
		g := docGroup{Tag: tag, About: i18n.T(l, "api.tag."+tag)}
		for _, o := range ops {
			if o.tag == tag {
				g.Ops = append(g.Ops, docOpOf(o, paths[o.path].(object)[strings.ToLower(o.method)].(object)))
			}
		}
		p.Groups = append(p.Groups, g)
	}
	for name, schema := range s["components"].(object)["schemas"].(object) {
		p.Types = append(p.Types, docTypeOf(name, schema.(object)))
	}
	slices.SortFunc(p.Types, func(a, b docType) int { return cmp.Compare(a.Name, b.Name) })
	var b bytes.Buffer
	err = t.Execute(&b, p)
	return b.Bytes(), err
}

// codeMarks turns `x` into <code>x</code>, as readers of the specification do.
func codeMarks(text string) template.HTML {
	var b strings.Builder
	for i, part := range strings.Split(text, "`") {
		part = template.HTMLEscapeString(part)
		if i%2 == 1 {
			part = "<code>" + part + "</code>"
		}
		b.WriteString(part)
	}
	return template.HTML(b.String()) // escaped part by part
}

func docOpOf(o Operation, s object) docOp {
	d := docOp{ID: o.id, Method: o.method, Path: o.path, Title: s["summary"].(string)}
	d.Detail, _ = s["description"].(string)
	params, _ := s["parameters"].([]any)
	for _, p := range params {
		m := p.(object)
		kind, _ := kindOf(m["schema"].(object))
		text, _ := m["description"].(string)
		d.Params = append(d.Params, docRow{Name: m["name"].(string), Kind: m["in"].(string) + " · " + kind, Text: text, Must: m["required"].(bool)})
	}
	if body, ok := s["requestBody"].(object); ok {
		row := contentRow(body["content"].(object))
		d.Body = &row
	}
	for status, a := range s["responses"].(object) {
		m := a.(object)
		row := docRow{}
		if content, ok := m["content"].(object); ok {
			row = contentRow(content)
		}
		row.Name, row.Text = status, m["description"].(string)
		d.Answers = append(d.Answers, row)
	}
	slices.SortFunc(d.Answers, func(a, b docRow) int { return cmp.Compare(a.Name, b.Name) })
	return d
}

// contentRow says of which media types a body is, and of which type.
func contentRow(content object) (row docRow) {
	var media []string
	for name, m := range content {
		media = append(media, name)
		if name == "application/json" || name == web.ProblemType {
			row.Kind, row.Ref = kindOf(m.(object)["schema"].(object))
		}
	}
	slices.Sort(media)
	row.Name = strings.Join(media, ", ")
	if row.Kind == "" {
		row.Kind = row.Name
	}
	return row
}

func docTypeOf(name string, schema object) docType {
	d := docType{Name: name}
	must, _ := schema["required"].([]any)
	props, _ := schema["properties"].(object)
	for member, p := range props {
		m := p.(object)
		row := docRow{Name: member, Must: slices.Contains(must, any(member))}
		row.Kind, row.Ref = kindOf(m)
		row.Text, _ = m["description"].(string)
		d.Rows = append(d.Rows, row)
	}
	slices.SortFunc(d.Rows, func(a, b docRow) int { return cmp.Compare(a.Name, b.Name) })
	return d
}

// kindOf says a schema in a few letters, and which type it refers to.
func kindOf(s object) (kind, ref string) {
	if to, ok := s["$ref"].(string); ok {
		name := to[strings.LastIndexByte(to, '/')+1:]
		return name, name
	}
	if any, ok := s["anyOf"].([]any); ok {
		var kinds []string
		for _, one := range any {
			k, r := kindOf(one.(object))
			kinds = append(kinds, k)
			ref = cmp.Or(ref, r)
		}
		return strings.Join(kinds, " | "), ref
	}
	if values, ok := s["enum"].([]any); ok {
		var all []string
		for _, v := range values {
			if text, ok := v.(string); ok {
				all = append(all, strconv.Quote(text))
			} else {
				all = append(all, "null")
			}
		}
		return strings.Join(all, " | "), ""
	}
	switch t := s["type"].(type) {
	case string:
		kind = t
	case []any:
		var all []string
		for _, one := range t {
			all = append(all, one.(string))
		}
		kind = strings.Join(all, " | ")
	}
	if items, ok := s["items"].(object); ok {
		k, r := kindOf(items)
		return k + "[]", r
	}
	if format, ok := s["format"].(string); ok {
		kind += " (" + format + ")"
	}
	return kind, ref
}
