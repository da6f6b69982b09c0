package order

import (
	"time"

	"imreport/internal/i18n"
)

// ImportState is a step in the life of an import. Clients see the names.
type ImportState string

// The states.
const (
	ImportWaiting   ImportState = "waiting" // uploaded, a worker takes it soon
	ImportRunning   ImportState = "running" // reading, comparing or writing
	ImportDone      ImportState = "done"    // a dry run too; Confirm goes on from there
	ImportFailed    ImportState = "failed"  // refused whole; Failure says why
	ImportCancelled ImportState = "cancelled"
)

// Ended reports whether nothing more happens by itself.
func (s ImportState) Ended() bool { return s != ImportWaiting && s != ImportRunning }

// UploadOptions say what a file is and what to do with it.
type UploadOptions struct {
	FileName string // as the browser gave it; may be empty
	Password string // of an encrypted workbook
	Encoding string // "", "utf-8", "cp949", "utf-16le", "utf-16be"
	// Mapping names the column for a canonical one where the header is unknown:
	// {"customer_email": "메일 주소"}. Remembered per shop.
	Mapping map[string]string
	DryRun  bool
	Mail    bool    // mail its orders, when they are eligible
	Rate    float64 // mails per second; 0: the shop's
	By      string  // person
}

// Report is what an import did or, after a dry run, would do. Counts are
// orders, except Rows and RowsRefused.
type Report struct {
	DryRun bool        `json:"dry_run"`
	Orders OrderCounts `json:"orders"`
	// OrdersRefused counts orders of which a row was refused; RowsRefused their
	// rows.
	OrdersRefused int64          `json:"orders_refused"`
	Rows          int64          `json:"rows"`
	RowsRefused   int64          `json:"rows_refused"`
	Errors        []RowError     `json:"errors"` // the first 1,000
	Notices       []Notice       `json:"notices"`
	WouldMail     int            `json:"would_mail"`           // or were given to be mailed
	Mailable      int            `json:"mailable"`             // would_mail, if mailing was asked for
	WouldSkip     map[string]int `json:"would_skip,omitempty"` // those not mailable, by reason
	// MoreErrors counts those that Errors leaves out; the error file has all.
	MoreErrors int64 `json:"more_errors,omitempty"`
}

// OrderCounts are what became of the file's orders.
type OrderCounts struct {
	New       int64 `json:"new"`
	Updated   int64 `json:"updated"`
	Unchanged int64 `json:"unchanged"`
}

// RowError is why an order of a file was refused. Line is the physical line
// where the row starts; the file's first line is 1.
type RowError struct {
	Line    int64    `json:"line"`
	Column  string   `json:"column"` // as the file names it; empty: the whole row
	Code    string   `json:"code"`
	Args    []string `json:"args,omitempty"` // fill the message; shortened and masked
	Message string   `json:"message"`
}

// Notice is something to know about a file that refuses nothing.
type Notice struct {
	Code    string `json:"code"`
	Args    []any  `json:"args,omitempty"`
	Message string `json:"message"`
}

// In is the report with its sentences in a language.
func (r Report) In(l i18n.Lang) Report {
	r.Errors, r.Notices = append([]RowError{}, r.Errors...), append([]Notice{}, r.Notices...)
	for i := range r.Errors {
		r.Errors[i] = r.Errors[i].In(l)
	}
	for i := range r.Notices {
		r.Notices[i] = r.Notices[i].In(l)
	}
	return r
}

// In gives the error its sentence, "order.row.CODE".
func (e RowError) In(l i18n.Lang) RowError {
	args := make([]any, len(e.Args))
	for i, a := range e.Args {
		args[i] = a
	}
	e.Message, e.Args = i18n.T(l, "order.row."+e.Code, args...), nil
	return e
}

// Import is one file on its way into the orders.
type Import struct {
	ID        string
	ShopID    string
	FileName  string
	Bytes     int64
	State     ImportState
	DryRun    bool
	Mail      bool
	Rate      float64
	Done      int64 // rows worked through so far
	Total     int64 // rows in all; 0: not known yet
	Report    Report
	Failure   string // why it failed: a key of package i18n; empty: it did not
	Columns   []string
	By        string // person
	CreatedAt time.Time
	EndedAt   time.Time // zero: not yet

	format   format
	layout   layout
	password string
	attempt  int64
	groups   int64 // orders worked through
	errors   int64 // bytes of the error file
}

// CanConfirm reports whether Confirm has something to do: a dry run ended.
func (i Import) CanConfirm() bool { return i.DryRun && i.State == ImportDone }
