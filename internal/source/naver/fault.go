package naver

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"imreport/internal/account"
	"imreport/internal/errs"
	"imreport/internal/run"
)

// class is what is wrong, which says what to do. Each has its own sentence:
// "naver.CLASS".
type class string

// The classes of failure. docs/naver.md has the bodies that lead here.
const (
	licenceUnknown class = "licence_unknown"  // the whole key: the licence is unknown, re-issued or switched off
	secretWrong    class = "secret_wrong"     // the whole key: none of its secrets makes the right signature
	clockWrong     class = "clock_wrong"      // our clock, after a correction by Naver's own
	headerMissing  class = "header_missing"   // something between us and Naver removes a header
	forbidden      class = "forbidden"        // this customer only
	notOwner       class = "not_owner"        // a resource of the key's owner only
	preparing      class = "preparing"        // the day's numbers are not published yet
	closed         class = "closed"           // maintenance
	periodGone     class = "period_gone"      // outside of the days that Naver gives
	badRequest     class = "bad_request"      // Naver thinks that the request is malformed
	contentType    class = "content_type"     // something on the way doubles or changes a header
	tooLong        class = "too_long"         // address too long: ask for less at once
	gone           class = "gone"             // the entity is deleted or somebody else's
	jobLost        class = "job_lost"         // the report job or its file is not there any more
	jobCap         class = "job_cap"          // 100 master reports, and Naver counts on
	jobFailed      class = "job_failed"       // Naver could not build the report, more than once
	jobLate        class = "job_late"         // built neither in time nor at the second try
	serverFault    class = "server_fault"     // a fault inside Naver
	unreachable    class = "unreachable"      // no connection, or it broke
	unreadable     class = "unreadable"       // an answer that is not what it should be
	columnsChanged class = "columns_changed"  // hardly a row of a report has the known form
	suspiciousNone class = "suspicious_empty" // "no data" for a day on which ads were shown
	suspiciousPart class = "suspicious_part"  // fewer rows than the statistics of the day say
)

// fault is one failure of a request or a job. Its text is for the log; what
// people read is in its chain, as an errs.Error.
type fault struct {
	class       class
	op          string // "stat-reports.create"
	customer    string
	status      int    // HTTP; 0 without an answer
	code        int64  // Naver's own number; 0 if none
	title       string // what Naver says, cut
	transaction string // what Naver asks for when one complains
	args        []any  // of the sentence
	until       time.Time
	cause       error
}

func (f *fault) Error() string {
	s := fmt.Sprintf("naver %s: %s", f.op, f.class)
	if f.customer != "" {
		s += " customer " + f.customer
	}
	if f.status != 0 {
		s += fmt.Sprintf(" (HTTP %d", f.status)
		if f.code != 0 {
			s += fmt.Sprintf(" code %d", f.code)
		}
		s += ")"
	}
	if f.title != "" {
		s += " " + f.title
	}
	if f.transaction != "" {
		s += " transaction " + f.transaction
	}
	if f.cause != nil {
		s += ": " + f.cause.Error()
	}
	return s
}

// Unwrap gives the sentence for people, and the cause.
func (f *fault) Unwrap() []error {
	all := []error{f.sentence()}
	if f.cause != nil {
		all = append(all, f.cause)
	}
	return all
}

// kinds say what an HTTP client of ours is told, where a person waits for the
// answer.
var kinds = map[class]errs.Kind{
	licenceUnknown: errs.Invalid, secretWrong: errs.Invalid, forbidden: errs.Invalid, notOwner: errs.Invalid,
	periodGone: errs.Invalid, gone: errs.NotFound,
}

// sentence is the fault as people read it. {0} is the customer, {1} what Naver
// says, {2} its transaction, or whatever the fault sets.
func (f *fault) sentence() *errs.Error {
	kind, ok := kinds[f.class]
	if !ok {
		kind = errs.Unavailable
	}
	return errs.E(kind, f.key(), nil, f.arguments()...)
}

func (f *fault) key() string { return "naver." + string(f.class) }

func (f *fault) arguments() []any {
	if f.args != nil {
		return f.args
	}
	said := f.title
	if f.status != 0 {
		said = fmt.Sprintf("HTTP %d", f.status)
		if f.code != 0 {
			said += fmt.Sprintf(", %d", f.code)
		}
		if f.title != "" {
			said += ": " + f.title
		}
	} else if said == "" && f.cause != nil {
		said = clip(f.cause.Error(), 200)
	}
	return []any{orDash(f.customer), said, orDash(f.transaction)}
}

// orDash stands for what an answer or a request did not have.
func orDash(s string) string { return cmp.Or(s, "–") }

// asFault finds the fault in err's chain; nil when there is none.
func asFault(err error) *fault {
	var f *fault
	if errors.As(err, &f) {
		return f
	}
	return nil
}

// is reports whether err is a fault of one of the classes.
func is(err error, classes ...class) bool {
	f := asFault(err)
	if f == nil {
		return false
	}
	for _, c := range classes {
		if f.class == c {
			return true
		}
	}
	return false
}

// refused makes the key-wide faults what package account knows.
func refused(c account.Credential, err error) error {
	switch {
	case is(err, licenceUnknown):
		return &account.Refused{Reason: account.ReasonLicense, Revision: c.Revision, Err: err}
	case is(err, secretWrong):
		return &account.Refused{Reason: account.ReasonSecret, Revision: c.Revision, Err: err}
	}
	return err
}

// treatment says what a run does about a class that is left over when
// everything here has been tried.
var treatment = map[class]struct {
	do     run.Disposition
	reason run.Code
}{
	licenceUnknown: {run.Park, run.CodeKeyInvalid},
	secretWrong:    {run.Park, run.CodeKeyInvalid},
	clockWrong:     {run.Retry, run.CodePlatformError},
	headerMissing:  {run.Retry, run.CodePlatformError},
	forbidden:      {run.Fail, run.CodeAccountForbidden},
	notOwner:       {run.Fail, run.CodeAccountForbidden},
	preparing:      {run.Park, run.CodePlatformPreparing},
	suspiciousNone: {run.Park, run.CodePlatformPreparing},
	suspiciousPart: {run.Park, run.CodePlatformPreparing},
	closed:         {run.Park, run.CodePlatformClosed},
	periodGone:     {run.Fail, run.CodePeriodUnavailable},
	badRequest:     {run.Retry, run.CodePlatformError},
	contentType:    {run.Retry, run.CodePlatformError},
	columnsChanged: {run.Fail, run.CodePlatformError},
}

// stop says how a run ends or waits because of err, which is not nil. Errors
// that are no faults of Naver come back as they are.
func stop(c account.Credential, err error) error {
	f := asFault(err)
	if f == nil {
		return err
	}
	t, ok := treatment[f.class]
	if !ok {
		t.do, t.reason = run.Retry, run.CodePlatformError
	}
	s := &run.Stop{Do: t.do, Reason: t.reason, Until: f.until, Args: append([]any{f.key()}, f.arguments()...), Err: refused(c, err)}
	switch {
	case t.reason == run.CodeKeyInvalid:
		s.Subject = c.ID
	case f.class == preparing: // one that waits because of doubtful numbers is woken by nothing but time
		s.Subject = Preparing
	case f.class == serverFault, f.class == unreachable:
		s.Subject = Outage
	}
	return s
}

// Preparing is the Subject of a run that waits for Naver's publication.
const Preparing = "naver_searchad"

// clip shortens s to about n bytes, on a character's edge.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && s[n]&0xc0 == 0x80 {
		n--
	}
	return s[:n] + "…"
}
