// Package run fills raw data: it admits runs, keeps at most one active per
// lane, walks each through the eight states and survives whatever happens to
// browsers, processes and machines.
//
// See docs/runs.md for a drawing.
package run

// State is a step in the life of a Run. The numbers are stored and sent to
// clients: append, never renumber.
type State int8

// The states.
const (
	Failed        State = iota // ended, with a reason and what to do
	CreateWaiting              // first fill, lane busy
	UpdateWaiting              // later fill, lane busy
	Creating                   // making (or opening) the spreadsheet
	Importing                  // collecting pieces from the platform
	Inserting                  // writing rows into the spreadsheet
	Adding                     // adding the template
	Success                    // ended; the spreadsheet holds the new data
)

var stateNames = [...]string{
	"FAILED", "CREATE_WAITING", "UPDATE_WAITING", "CREATING", "IMPORTING", "INSERTING", "ADDING", "SUCCESS",
}

// String is the state's name as clients see it: "CREATE_WAITING".
func (s State) String() string {
	if s < 0 || int(s) >= len(stateNames) {
		return "UNKNOWN"
	}
	return stateNames[s]
}

// Active reports whether s occupies its lane; at most one Run per lane does.
func (s State) Active() bool { return s >= Creating && s <= Adding }

// Waiting reports whether s is in line.
func (s State) Waiting() bool { return s == CreateWaiting || s == UpdateWaiting }

// Open reports whether the run has not ended.
func (s State) Open() bool { return s >= CreateWaiting && s <= Adding }

// Ended reports whether the run has ended, well or badly.
func (s State) Ended() bool { return s == Failed || s == Success }

// Code is a stable short reason that stands beside a state; its text is the
// sentence "reason.CODE" of package i18n.
type Code string

// Sentence is the key of a reason's text beside a run of the cause; cause "" is
// none. A second refresh waits for less than a whole day.
func (c Code) Sentence(cause Cause) string {
	if c == CodePlatformPreparing && cause.Second() {
		return "reason.platform_preparing.second"
	}
	return "reason." + string(c)
}

// The reasons.
const (
	CodeNone                   Code = ""
	CodeLaneBusy               Code = "lane_busy"
	CodeRequeued               Code = "requeued"
	CodePaced                  Code = "paced"
	CodePlatformPreparing      Code = "platform_preparing"
	CodePlatformClosed         Code = "platform_closed"
	CodeLateTypes              Code = "late_types" // beside 7: some report types come later
	CodeRetrying               Code = "retrying"
	CodeResumed                Code = "resumed"
	CodePaused                 Code = "paused"
	CodeKeyInvalid             Code = "key_invalid"
	CodeAccountForbidden       Code = "account_forbidden"
	CodeCancelRequested        Code = "cancel_requested"
	CodeCancelled              Code = "cancelled"
	CodePeriodUnavailable      Code = "period_unavailable"
	CodeDestinationUnavailable Code = "destination_unavailable"
	CodePlatformError          Code = "platform_error"
	CodeInternal               Code = "internal"
)
