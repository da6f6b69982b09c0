package run

import (
	"context"
	"time"

	"imreport/internal/account"
	"imreport/internal/db"
	"imreport/internal/i18n"
	"imreport/internal/quota"
	"imreport/internal/table"
)

// Source collects pieces from one platform into the archive and reads them
// back as tables. Implemented by the packages below source/.
type Source interface {
	// Collect brings every piece of o that is missing or must be fetched
	// again into the archive, and what is needed to name its ids. A piece
	// that is stored is never requested again by a later call, also after a
	// crash. Its errors are *Stop; any other error is a fault of ours.
	Collect(ctx context.Context, o Order, p Progress) error
	// Tabs opens the stored pieces of o, one Tab per report type in the order
	// asked for, names beside the ids and computed columns included.
	Tabs(ctx context.Context, o Order) ([]Tab, error)
}

// Order says what a run needs from a source.
type Order struct {
	RunID       string
	RawDataID   string
	WorkspaceID string
	AccountID   string
	Credential  account.Credential
	CustomerID  string
	Reports     []string // report types of the platform: "AD"
	From, To    table.Day
	Force       bool // fetch again what would be served from the archive
	// Backfill: the days that the platform will soon not give any more come
	// first, not the newest.
	Backfill bool
	// Patient: nobody looks on, so that requests are saved before seconds.
	Patient bool
	// Routine: the schedule asks, not a person.
	Routine bool
	Flow    *quota.Flow
	// Late takes the pieces that a run may go on without; nil: it waits for
	// them.
	Late *Lacking
	// Guard is called in each transaction that stores something of the run:
	// its error (the lease is lost, the run was cancelled) undoes it.
	Guard func(ctx context.Context, tx *db.Tx) error
}

// Lacking gathers pieces that the platform does not have yet, or not whole,
// though it has others of the same day.
type Lacking struct{ Pieces []LatePiece }

// LatePiece is one of them.
type LatePiece struct {
	Report string
	Day    table.Day
	// Doubtful: what the platform gave contradicts its own statistics.
	Doubtful bool
	Again    time.Time // when to ask again
}

// Progress hears how far a step is. Done never falls within a run.
type Progress interface {
	Plan(pieces int) // how many there are in all; may be called again with a better number
	Done(pieces int) // so many more are stored
}

// Tab is one sheet of rows.
type Tab struct {
	Report string // report type
	Name   string // sheet name; a suffix is added where one sheet is not enough
	Schema table.Schema
	Rows   int64 // as the catalogue knows them
	Open   func(ctx context.Context) (table.Reader, error)
}

// Destination makes spreadsheets. Implemented by the packages below
// destination/.
type Destination interface {
	// Create begins a spreadsheet under a name that only this attempt of the
	// run uses. Nothing points to it before the run's last transaction.
	Create(ctx context.Context, w Work) (Workbook, error)
	// Remove deletes a file that nothing points to any more.
	Remove(ctx context.Context, f File) error
}

// Work says what a spreadsheet is called.
type Work struct {
	Object string // the attempt's own name: "WORKSPACE/RAWDATA/RUN-EPOCH"
	Title  string // the raw data's name
	Lang   i18n.Lang
}

// Workbook is a spreadsheet in the making.
type Workbook interface {
	// Insert writes the tabs; rows hears how many rows were written more.
	Insert(ctx context.Context, tabs []Tab, rows func(n int64)) error
	// Add lays the template over the tabs.
	Add(ctx context.Context, info Info) error
	// Finish makes the file complete and durable under its own name.
	Finish(ctx context.Context) (File, error)
	// Abandon removes what was written; after Finish it does nothing.
	Abandon()
}

// Info is what the info tab of a spreadsheet says, and the template needs.
type Info struct {
	Account     string // name of the ad account
	CustomerID  string
	Platform    string
	From, To    table.Day
	DataThrough table.Day
	FilledAt    time.Time
	Revisions   []Revision
	// Late are report types whose newest days are still to come.
	Late []LatePiece
}

// Revision is a day that the platform restated since the last filling.
type Revision struct {
	Report                string
	Day                   table.Day
	RowsBefore, RowsAfter int64
	CostBefore, CostAfter float64
}

// File is a finished spreadsheet.
type File struct {
	Object string `json:"object"` // where the destination keeps it
	Bytes  int64  `json:"bytes"`
	Rows   int64  `json:"rows"`
	URL    string `json:"url,omitempty"` // of a spreadsheet that lives elsewhere
}

// Disposition is what a run does when it cannot go on.
type Disposition int8

// The dispositions.
const (
	Fail  Disposition = iota // end at 0
	Retry                    // try again after a growing pause, for 6 h
	Park                     // wait without limit for what Stop.Reason names
)

// Stop is the error by which a source or destination tells a run why it cannot
// go on.
type Stop struct {
	Do     Disposition
	Reason Code      // why, as people read it
	Until  time.Time // Park: when to look again; zero lets the run choose
	Args   []any     // of the reason's text
	// Subject is what the reason is about when others share it: the api key's
	// id for CodeKeyInvalid, so that one incident serves all its runs.
	Subject string
	Err     error
}

func (s *Stop) Error() string {
	if s.Err == nil {
		return string(s.Reason)
	}
	return string(s.Reason) + ": " + s.Err.Error()
}

func (s *Stop) Unwrap() error { return s.Err }
