package rest

import (
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"sort"
	"strconv"
	"strings"

	"imreport/internal/i18n"
	"imreport/internal/web"
	"imreport/internal/workspace"
)

// spec is the OpenAPI 3.1 document of the operations in one language.
func spec(ops []Operation, l i18n.Lang) object {
	s := &schemas{lang: l, named: object{}, types: map[string]reflect.Type{}}
	problem := s.of(reflect.TypeFor[web.Problem]())
	paths := object{}
	for _, o := range ops {
		item, _ := paths[o.path].(object)
		if item == nil {
			item = object{}
			paths[o.path] = item
		}
		item[strings.ToLower(o.method)] = o.spec(s, problem)
	}
	return object{
		"openapi": "3.1.0",
		"info": object{
			"title": i18n.T(l, "api.title"), "version": "1", "description": i18n.T(l, "api.about"),
		},
		"servers":  []any{object{"url": "/"}},
		"security": []any{object{ByToken: []any{}}, object{BySession: []any{}}},
		"tags":     tags(ops, l),
		"paths":    paths,
		"components": object{
			"schemas": s.named,
			"securitySchemes": object{
				ByToken:    object{"type": "http", "scheme": "bearer", "description": i18n.T(l, "api.scheme.token")},
				BySession:  object{"type": "apiKey", "in": "cookie", "name": web.SessionCookie, "description": i18n.T(l, "api.scheme.session")},
				ByShopCode: object{"type": "apiKey", "in": "header", "name": "X-Shop-Access-Code", "description": i18n.T(l, "api.scheme.shopCode")},
			},
		},
	}
}

// tagsOf are the groups of operations in the order in which they were added.
func tagsOf(ops []Operation) (all []string) {
	for _, o := range ops {
		if !slices.Contains(all, o.tag) {
			all = append(all, o.tag)
		}
	}
	return all
}

func tags(ops []Operation, l i18n.Lang) []any {
	all := []any{}
	for _, tag := range tagsOf(ops) {
		all = append(all, object{"name": tag, "description": i18n.T(l, "api.tag."+tag)})
	}
	return all
}

// detail is the operation's longer text, with who may call it.
func (o Operation) detail(l i18n.Lang) string {
	var parts []string
	if key := "api.op." + o.id + ".detail"; i18n.Has(key) {
		parts = append(parts, i18n.T(l, key))
	}
	if role := o.least(l); role != "" {
		parts = append(parts, role)
	}
	if o.access.Secret {
		parts = append(parts, i18n.T(l, "api.shown_once"))
	}
	return strings.Join(parts, " ")
}

// least says which role an operation takes; empty when any member may call.
func (o Operation) least(l i18n.Lang) string {
	role := o.access.Role
	switch {
	case o.access.Owner:
		return i18n.T(l, "api.needs_instance")
	case o.access.Needs != "":
		role = o.access.Needs.Least()
	}
	if role == "" || role == workspace.Client {
		return ""
	}
	name := i18n.T(l, "role."+string(role))
	if name != string(role) {
		name += "(" + string(role) + ")"
	}
	return i18n.T(l, "api.needs_role", name)
}

func (o Operation) spec(s *schemas, problem object) object {
	out := object{
		"operationId": o.id, "tags": []any{o.tag}, "summary": i18n.T(s.lang, "api.op."+o.id),
		"responses": o.responses(s, problem),
	}
	if d := o.detail(s.lang); d != "" {
		out["description"] = d
	}
	if params := o.parameters(s.lang); len(params) > 0 {
		out["parameters"] = params
	}
	if body := o.body(s); body != nil {
		out["requestBody"] = body
	}
	switch {
	case o.access.Public && len(o.schemes) == 0:
		out["security"] = []any{}
	case len(o.schemes) > 0:
		var all []any
		for _, scheme := range o.schemes {
			all = append(all, object{scheme: []any{}})
		}
		out["security"] = all
	}
	return out
}

// pathParams are the names in braces of a path.
func pathParams(path string) (names []string) {
	for part := range strings.SplitSeq(path, "/") {
		if name, ok := strings.CutPrefix(part, "{"); ok {
			names = append(names, strings.TrimSuffix(strings.TrimSuffix(name, "}"), "..."))
		}
	}
	return names
}

func (o Operation) parameters(l i18n.Lang) (all []any) {
	for _, name := range pathParams(o.path) {
		all = append(all, object{"name": name, "in": "path", "required": true, "schema": object{"type": "string"}})
	}
	params := o.params
	if o.access.Creates {
		params = append(slices.Clone(params), Param{Name: "Idempotency-Key", Type: "string", Header: true})
	}
	for _, p := range params {
		schema := object{"type": p.Type}
		if len(p.Enum) > 0 {
			schema["enum"] = p.Enum
		}
		if p.Name == "limit" {
			schema["minimum"], schema["maximum"], schema["default"] = 1, limitMax, limitDefault
		}
		where := "query"
		if p.Header {
			where = "header"
		}
		all = append(all, object{"name": p.Name, "in": where, "required": p.Must, "schema": schema,
			"description": i18n.T(l, "api.param."+p.Name)})
	}
	return all
}

func (o Operation) body(s *schemas) object {
	content := object{}
	if o.in != nil {
		content["application/json"] = object{"schema": s.of(o.in)}
	}
	for _, media := range o.reads {
		schema := object{"type": "string"}
		if media == "multipart/form-data" {
			schema = object{"type": "object", "properties": object{"file": object{"type": "string", "contentMediaType": "application/octet-stream"}}}
		}
		content[media] = object{"schema": schema}
	}
	if len(content) == 0 {
		return nil
	}
	return object{"required": o.in == nil || hasRequired(o.in), "content": content}
}

// hasRequired reports whether a body type has a member that may not be
// missing.
func hasRequired(t reflect.Type) bool {
	for i := range t.NumField() {
		if t.Field(i).Tag.Get("required") == "true" {
			return true
		}
	}
	return false
}

func (o Operation) responses(s *schemas, problem object) object {
	all := object{}
	for _, status := range append([]int{o.status}, o.also...) {
		answer := object{"description": i18n.T(s.lang, "api.status."+strconv.Itoa(status))}
		switch {
		case status == http.StatusNoContent || status == http.StatusNotModified:
		case o.out != nil:
			answer["content"] = object{"application/json": object{"schema": s.of(o.out)}}
		case o.media != "":
			answer["content"] = object{o.media: object{"schema": object{"type": "string"}}}
		}
		all[strconv.Itoa(status)] = answer
	}
	for _, f := range o.failures() {
		text := i18n.T(s.lang, "api.status."+strconv.Itoa(f.status))
		if len(f.codes) > 0 {
			text += fmt.Sprintf(" (`code`: `%s`)", strings.Join(f.codes, "`, `"))
		}
		all[strconv.Itoa(f.status)] = object{"description": text, "content": object{web.ProblemType: object{"schema": problem}}}
	}
	all["default"] = object{"description": i18n.T(s.lang, "api.status.default"), "content": object{web.ProblemType: object{"schema": problem}}}
	return all
}

// failures are the problems that a call may be answered with, by status: those
// that follow from its shape, and those that it names.
func (o Operation) failures() []failure {
	by := map[int][]string{}
	add := func(status int, codes ...string) {
		for _, c := range codes {
			if !slices.Contains(by[status], c) {
				by[status] = append(by[status], c)
			}
		}
		if by[status] == nil {
			by[status] = []string{}
		}
	}
	if !o.access.Public {
		add(http.StatusUnauthorized)
	}
	if o.access.Owner || o.access.Role != "" || o.access.Needs != "" && o.access.Needs.Least() != workspace.Client {
		add(http.StatusForbidden, "forbidden")
	}
	if len(pathParams(o.path)) > 0 {
		add(http.StatusNotFound, "not_found")
	}
	if o.in != nil || len(o.reads) > 0 {
		add(http.StatusBadRequest)
		add(http.StatusRequestEntityTooLarge, "too_large")
		add(http.StatusUnsupportedMediaType, "unsupported_media_type")
		add(http.StatusUnprocessableEntity)
	}
	if len(o.params) > 0 {
		add(http.StatusUnprocessableEntity)
	}
	if o.access.Creates {
		add(http.StatusConflict, "idempotency_running")
		add(http.StatusUnprocessableEntity, "idempotency_other", "idempotency_key_invalid")
	}
	if o.access.Creates && o.access.Secret {
		add(http.StatusConflict, "shown_once")
	}
	for _, f := range o.fails {
		add(f.status, f.codes...)
	}
	var all []failure
	for status, codes := range by {
		all = append(all, failure{status, codes})
	}
	sort.Slice(all, func(i, j int) bool { return all[i].status < all[j].status })
	return all
}
