package rest

import (
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"imreport/internal/errs"
	"imreport/internal/i18n"
	"imreport/internal/web"
	"imreport/internal/workspace"
)

// Call is a request under way.
type Call struct {
	W      http.ResponseWriter
	R      *http.Request
	Actor  workspace.Actor
	Lang   i18n.Lang
	Status int // of the answer; a handler may change it to another that its operation names
}

// ID is the {id} of the path.
func (c *Call) ID() string { return c.R.PathValue("id") }

// Workspace is whose things the caller sees.
func (c *Call) Workspace() string { return c.Actor.WorkspaceID }

// Subject names what the call was done to, for the audit log: the id of the
// thing, and a short text for people, never a secret.
func (c *Call) Subject(id, detail string) { web.Subject(c.R.Context(), id, detail) }

// Unchanged says that the call changed nothing after all: the audit log has no
// line of it.
func (c *Call) Unchanged() { web.OnlyLooked(c.R.Context()) }

// Created names what the call made: for the audit log, and in the Location
// header as Prefix + path + "/" + id.
func (c *Call) Created(path, id, detail string) {
	c.Subject(id, detail)
	c.W.Header().Set("Location", Prefix+path+"/"+id)
}

// Query is a parameter of the query; empty when it is missing.
func (c *Call) Query(name string) string { return c.R.URL.Query().Get(name) }

// Bool is a yes or no of the query; no when it is missing, yes when it stands
// without a value.
func (c *Call) Bool(name string) (bool, error) {
	if !c.R.URL.Query().Has(name) {
		return false, nil
	}
	switch strings.ToLower(c.Query(name)) {
	case "", "true", "1", "yes":
		return true, nil
	case "false", "0", "no":
		return false, nil
	}
	return false, errs.InvalidField(name, "api.not_a_boolean")
}

// Limits of lists.
const (
	limitDefault = 100
	limitMax     = 500
	cursorMax    = 200 // bytes
)

// Limit is ?limit=, cut to 500; 100 when it is missing.
func (c *Call) Limit() (int, error) {
	raw := c.Query("limit")
	if raw == "" {
		return limitDefault, nil
	}
	n, err := strconv.ParseInt(raw, 10, 64)
	if numErr, ok := err.(*strconv.NumError); ok && numErr.Err == strconv.ErrRange && n > 0 {
		return limitMax, nil
	}
	if err != nil || n < 1 {
		return 0, errs.InvalidField("limit", "api.limit_invalid", limitMax)
	}
	return int(min(n, limitMax)), nil
}

// clean reports whether both databases take s as text.
func clean(s string) bool { return utf8.ValidString(s) && !strings.Contains(s, "\x00") }
