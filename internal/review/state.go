package review

// Kind is what a message is for.
type Kind string

// The kinds.
const (
	Request  Kind = "review_request"
	Reminder Kind = "reminder"
)

// State is where a message stands. docs/mail.md draws the way.
type State string

// The states.
const (
	Scheduled State = "scheduled" // the clock runs
	Queued    State = "queued"    // due: it waits for its turn, or to be tried again
	Sending   State = "sending"   // claimed; nothing is handed over yet
	Dot       State = "dot"       // the final dot may have been written
	Sent      State = "sent"      // the mail server has taken it
	Unknown   State = "unknown"   // lost between the dot and the reply; only a person sends it again
	Skipped   State = "skipped"   // not sent, with a reason
	Failed    State = "failed"    // refused for good, or given up
	Cancelled State = "cancelled" // by a person
)

// States are all states, in the order of a message's way.
var States = []State{Scheduled, Queued, Sending, Dot, Sent, Unknown, Skipped, Failed, Cancelled}

// Pending reports whether the message may still go out by itself.
func (s State) Pending() bool { return s == Scheduled || s == Queued }

// InFlight reports whether somebody is at it.
func (s State) InFlight() bool { return s == Sending || s == Dot }

// Reason says why a message is not sent, or why it waits. Its sentences are
// "review.reason.CODE" and "review.reason.CODE.action": what would make it go.
type Reason string

// The reasons.
const (
	NotPaid          Reason = "not_paid"
	NotFulfilled     Reason = "not_fulfilled"
	PartlyFulfilled  Reason = "partly_fulfilled"
	OrderCancelled   Reason = "cancelled"
	OrderRefunded    Reason = "refunded"
	TestOrder        Reason = "test"
	NoEmail          Reason = "no_email"
	BadEmail         Reason = "bad_email"
	Suppressed       Reason = "suppressed" // argument: why
	AlreadyReviewed  Reason = "already_reviewed"
	InCooldown       Reason = "cooldown" // argument: until when
	NoReviewableLine Reason = "no_reviewable_line"
	TooOld           Reason = "too_old" // argument: the limit in days
	PastOrder        Reason = "imported"
	OrderDeleted     Reason = "deleted"
	OrderErased      Reason = "erased"
	NoConsent        Reason = "no_consent"
	OptedOut         Reason = "opted_out" // argument: the tag
	RequestNotSent   Reason = "request_not_sent"
	ShopStopped      Reason = "shop_stopped"
	Uninstalled      Reason = "uninstalled"

	QuietNow      Reason = "quiet_hours"    // waits for the end of quiet hours
	Retrying      Reason = "retrying"       // argument: the server's reply code
	Unreachable   Reason = "unreachable"    // the mail server does not answer
	Throttled     Reason = "throttled"      // the mail server asked to slow down
	RefusedByMail Reason = "refused"        // arguments: reply code and words
	GaveUp        Reason = "gave_up"        // retried too long
	LostInFlight  Reason = "lost_in_flight" // unknown
	BadTemplate   Reason = "bad_template"   // the mail could not be written
	Restarted     Reason = "restarted"      // a process ended before the mark
	ClockRestart  Reason = "clock_restarted"
	ByPerson      Reason = "by_person"
	SentAgain     Reason = "sent_again"
	Bounced       Reason = "bounced"
	Complained    Reason = "complained"
	Evidence      Reason = "evidence" // an unknown one turned out to be delivered
)
