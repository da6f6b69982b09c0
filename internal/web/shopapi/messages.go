package shopapi

import (
	"context"
	"strings"
	"time"

	"imreport/internal/i18n"
	"imreport/internal/review"
	"imreport/internal/web/rest"
)

type messageDoc struct {
	ID        string          `json:"id"`
	Order     messageOrderDoc `json:"order"`
	Kind      string          `json:"kind" enum:"review_request,reminder"`
	Seq       int             `json:"seq"`
	State     string          `json:"state" enum:"scheduled,queued,sending,dot,sent,unknown,skipped,failed,cancelled"`
	Reason    *reasonDoc      `json:"reason"`
	To        string          `json:"to"` // masked
	DueAt     *time.Time      `json:"due_at"`
	SentAt    *time.Time      `json:"sent_at"`
	Attempts  int             `json:"attempts"`
	Bounce    *string         `json:"bounce" enum:"soft,hard,complaint,policy"`
	CreatedAt time.Time       `json:"created_at"`
	UpdatedAt time.Time       `json:"updated_at"`
}

type messageOrderDoc struct {
	ID         string `json:"id"`
	ExternalID string `json:"external_id"`
	Name       string `json:"name"`
}

type messageLogDoc struct {
	Seq    int        `json:"seq"`
	State  string     `json:"state"`
	Reason *reasonDoc `json:"reason"`
	Actor  *string    `json:"actor"`
	Detail *string    `json:"detail"`
	At     time.Time  `json:"at"`
}

type resendBody struct {
	Resend bool   `json:"resend"`
	Why    string `json:"why"`
}

type bulkBody struct {
	Action    string   `json:"action" enum:"send_now,cancel" required:"true"`
	States    []string `json:"state"`
	Kind      string   `json:"kind"`
	Reason    string   `json:"reason"`
	Search    string   `json:"q"`
	PerMinute int      `json:"per_minute"`
	DryRun    bool     `json:"dry_run"`
}

type bulkDoc struct {
	ID        string     `json:"id"`
	Action    string     `json:"action" enum:"send_now,cancel"`
	State     string     `json:"state" enum:"preview,running,stopped,done"`
	PerMinute int        `json:"per_minute"`
	Total     int        `json:"total"`
	Done      int        `json:"done"`
	Refused   int        `json:"refused"`
	CreatedAt *time.Time `json:"created_at"`
	EndedAt   *time.Time `json:"ended_at"`
}

func (a *API) messageCalls() []rest.Operation {
	const tag = "shop-messages"
	send := a.does("message.send_now")
	send.Creates = true
	bulk := a.does("message.bulk")
	bulk.Creates = true
	conflicts := []string{"message_sending", "message_dot", "message_unknown", "message_sent", "message_skipped", "message_not_eligible"}
	return []rest.Operation{
		rest.Op("GET", "/shop/messages", "listMessages", tag, 200, a.reads(), a.listMessages).With(rest.Paging...).With(
			rest.Param{Name: "state", Type: "string"}, rest.Param{Name: "kind", Type: "string"}, rest.Param{Name: "reason", Type: "string"},
			rest.Param{Name: "order", Type: "string"}, rest.Param{Name: "q", Type: "string"}),
		rest.Op("GET", "/shop/messages/{id}", "getMessage", tag, 200, a.reads(), a.getMessage),
		rest.Op("GET", "/shop/messages/{id}/log", "getMessageLog", tag, 200, a.reads(), a.messageLog).With(rest.Paging...),
		rest.Op("POST", "/shop/messages/{id}/send-now", "sendMessageNow", tag, 202, send, a.sendNow).Fails(409, conflicts...),
		rest.Op("POST", "/shop/messages/{id}/cancel", "cancelMessage", tag, 200, a.does("message.cancel"), a.cancel).Fails(409, conflicts[:4]...),
		rest.Op("POST", "/shop/messages/bulk", "bulkMessages", tag, 202, bulk, a.bulk).Or(200),
		rest.Op("GET", "/shop/bulks/{id}", "getBulk", tag, 200, a.reads(), a.getBulk),
		rest.Op("POST", "/shop/bulks/{id}/stop", "stopBulk", tag, 200, a.does("message.bulk_stop"), a.stopBulk),
	}
}

func messageOf(l i18n.Lang, m review.Message) messageDoc {
	return messageDoc{
		ID: m.ID, Order: messageOrderDoc{ID: m.OrderID, ExternalID: m.ExternalID, Name: m.OrderName}, Kind: string(m.Kind), Seq: m.Seq, State: string(m.State),
		Reason: reasonOf(l, m.Reason, m.Args), To: m.Address, DueAt: instant(m.DueAt), SentAt: instant(m.SentAt), Attempts: m.Attempts, Bounce: text(m.Bounce),
		CreatedAt: m.CreatedAt, UpdatedAt: m.UpdatedAt,
	}
}

func states(text string) (out []review.State) {
	for s := range strings.SplitSeq(text, ",") {
		if s = strings.TrimSpace(s); s != "" {
			out = append(out, review.State(s))
		}
	}
	return out
}

func (a *API) listMessages(ctx context.Context, c *rest.Call, _ *rest.None) (rest.Page[messageDoc], error) {
	f := review.Filter{States: states(c.Query("state")), Kind: review.Kind(c.Query("kind")), Reason: review.Reason(c.Query("reason")), Search: c.Query("q")}
	if id := c.Query("order"); id != "" {
		o, err := a.d.Orders.Get(ctx, theShop(ctx).ID, id)
		if err != nil {
			return rest.Page[messageDoc]{}, err
		}
		f.OrderID = o.ID
	}
	return rest.List(c, func(cursor string, limit int) ([]review.Message, error) {
		return a.d.Reviews.List(ctx, theShop(ctx).ID, f, cursor, limit)
	}, func(m review.Message) string { return m.ID }, func(m review.Message) messageDoc { return messageOf(c.Lang, m) })
}

func (a *API) getMessage(ctx context.Context, c *rest.Call, _ *rest.None) (messageDoc, error) {
	m, err := a.d.Reviews.Get(ctx, theShop(ctx).ID, c.ID())
	return messageOf(c.Lang, m), err
}

func (a *API) messageLog(ctx context.Context, c *rest.Call, _ *rest.None) (rest.Page[messageLogDoc], error) {
	return rest.List(c, func(cursor string, limit int) ([]review.LogRow, error) {
		after, err := rest.AfterSeq(cursor)
		if err != nil {
			return nil, err
		}
		return a.d.Reviews.Log(ctx, theShop(ctx).ID, c.ID(), int(after), limit)
	}, func(w review.LogRow) string { return itoa(w.Seq) }, func(w review.LogRow) messageLogDoc {
		return messageLogDoc{Seq: w.Seq, State: string(w.State), Reason: reasonOf(c.Lang, w.Reason, w.Args), Actor: text(w.Actor), Detail: text(w.Detail), At: w.At}
	})
}

func (a *API) sendNow(ctx context.Context, c *rest.Call, b *resendBody) (messageDoc, error) {
	var m review.Message
	var err error
	if b.Resend {
		m, err = a.d.Reviews.Resend(ctx, theShop(ctx).ID, c.ID(), actor(c), b.Why)
	} else {
		m, err = a.d.Reviews.SendNow(ctx, theShop(ctx).ID, c.ID(), actor(c))
	}
	if err != nil {
		return messageDoc{}, worded(c.Lang, err)
	}
	c.Subject(m.ID, b.Why)
	return messageOf(c.Lang, m), nil
}

func (a *API) cancel(ctx context.Context, c *rest.Call, _ *rest.None) (messageDoc, error) {
	m, err := a.d.Reviews.Cancel(ctx, theShop(ctx).ID, c.ID(), actor(c))
	if err != nil {
		return messageDoc{}, worded(c.Lang, err)
	}
	c.Subject(m.ID, "")
	return messageOf(c.Lang, m), nil
}

func (a *API) bulk(ctx context.Context, c *rest.Call, b *bulkBody) (bulkDoc, error) {
	f := review.Filter{Kind: review.Kind(b.Kind), Reason: review.Reason(b.Reason), Search: b.Search}
	for _, s := range b.States {
		f.States = append(f.States, states(s)...)
	}
	if b.DryRun {
		n, err := a.d.Reviews.BulkPreview(ctx, theShop(ctx).ID, review.Action(b.Action), f)
		c.Status = 200
		return bulkDoc{Action: b.Action, State: "preview", PerMinute: b.PerMinute, Total: n}, err
	}
	v, err := a.d.Reviews.StartBulk(ctx, theShop(ctx).ID, review.Action(b.Action), f, b.PerMinute, actor(c))
	if err != nil {
		return bulkDoc{}, err
	}
	c.Subject(v.ID, b.Action)
	c.W.Header().Set("Location", rest.Prefix+"/shop/bulks/"+v.ID)
	return bulkOf(v), nil
}

func bulkOf(b review.Bulk) bulkDoc {
	return bulkDoc{ID: b.ID, Action: string(b.Action), State: b.State, PerMinute: b.PerMinute, Total: b.Total, Done: b.Done, Refused: b.Refused,
		CreatedAt: instant(b.CreatedAt), EndedAt: instant(b.EndedAt)}
}

func (a *API) getBulk(ctx context.Context, c *rest.Call, _ *rest.None) (bulkDoc, error) {
	b, err := a.d.Reviews.Bulk(ctx, theShop(ctx).ID, c.ID())
	return bulkOf(b), err
}

func (a *API) stopBulk(ctx context.Context, c *rest.Call, _ *rest.None) (bulkDoc, error) {
	b, err := a.d.Reviews.StopBulk(ctx, theShop(ctx).ID, c.ID())
	c.Subject(c.ID(), "")
	return bulkOf(b), err
}
