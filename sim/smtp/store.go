package smtp

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/mail"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
)

// TokenHeader is the header by which a test recognises a message of ours
// whatever a server did to its Message-ID.
const TokenHeader = "X-Imreport-Message"

// Mail is one accepted mail: the envelope, and what the index needs of the
// header. It is the first line of the mail's file.
type Mail struct {
	// ID names the mail here and in the reply ("250 2.0.0 Ok: queued as ID").
	ID string `json:"id"`
	// At is when the final dot came, UTC.
	At time.Time `json:"at"`
	// From is the return path, "" for a bounce; To all accepted recipients.
	From string   `json:"from"`
	To   []string `json:"to"`
	// EnvID is the DSN parameter ENVID (RFC 3461), if given.
	EnvID string `json:"envid,omitempty"`
	// Hello, Remote, User and TLS describe the session.
	Hello  string `json:"hello"`
	Remote string `json:"remote"`
	User   string `json:"user,omitempty"`
	TLS    bool   `json:"tls,omitempty"`
	// Bytes is the size of the mail without this envelope.
	Bytes int `json:"bytes"`
	// MessageID, Token (TokenHeader), Subject (decoded) and Sender (the From
	// header) are read from the header.
	MessageID string `json:"message_id"`
	Token     string `json:"token,omitempty"`
	Subject   string `json:"subject"`
	Sender    string `json:"sender"`
}

// suffix of a mail's file; unfinished ones end with ".tmp" and are no mails.
const suffix = ".mail"

// ErrNoMail is returned for an id that is not in the mailbox.
var ErrNoMail = errors.New("smtp: no such mail")

// mailbox is a folder of mails and its index in memory.
type mailbox struct {
	dir    string
	noSync bool

	mu    sync.Mutex
	mails []Mail // by arrival
	byID  map[string]int
	more  chan struct{} // closed and replaced when a mail arrives

	dirSync grouper
}

// openMailbox makes the folder and reads what is in it.
func openMailbox(dir string, noSync bool) (*mailbox, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("open mailbox: %w", err)
	}
	mails, err := ReadDir(dir)
	if err != nil {
		return nil, err
	}
	b := &mailbox{dir: dir, noSync: noSync, mails: mails, byID: map[string]int{}, more: make(chan struct{})}
	for i, m := range mails {
		b.byID[m.ID] = i
	}
	b.dirSync.do = func() error { return syncDir(dir) }
	return b, nil
}

// ReadDir lists the mails in a mailbox folder, by arrival, with or without a
// server over it. It fails on a file it cannot read as a mail: a torn one
// would mean that a mail was acknowledged before it was durable.
func ReadDir(dir string) ([]Mail, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*"+suffix))
	if err != nil {
		return nil, fmt.Errorf("read mailbox: %w", err)
	}
	mails := make([]Mail, 0, len(names))
	for _, name := range names {
		m, err := readEnvelope(name)
		if err != nil {
			return nil, fmt.Errorf("read mailbox: %s: %w", filepath.Base(name), err)
		}
		mails = append(mails, m)
	}
	slices.SortFunc(mails, func(a, b Mail) int {
		return cmp.Or(a.At.Compare(b.At), strings.Compare(a.ID, b.ID))
	})
	return mails, nil
}

// readEnvelope reads the first line of a mail's file and checks the length of
// the rest.
func readEnvelope(name string) (Mail, error) {
	f, err := os.Open(name)
	if err != nil {
		return Mail{}, err
	}
	defer f.Close()
	line, err := bufio.NewReader(f).ReadBytes('\n')
	if err != nil {
		return Mail{}, fmt.Errorf("no envelope: %w", err)
	}
	var m Mail
	if err := json.Unmarshal(line, &m); err != nil {
		return Mail{}, fmt.Errorf("envelope: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		return Mail{}, err
	}
	if got := info.Size() - int64(len(line)); got != int64(m.Bytes) {
		return Mail{}, fmt.Errorf("torn: %d bytes of %d", got, m.Bytes)
	}
	return m, nil
}

// add makes the mail durable and then lists it. When it returns nil, the mail
// survives a loss of power (unless noSync).
func (b *mailbox) add(m Mail, raw []byte) error {
	m.Bytes = len(raw)
	m.read(raw)
	line, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("store mail %s: %w", m.ID, err)
	}
	final := filepath.Join(b.dir, m.ID+suffix)
	f, err := os.OpenFile(final+".tmp", os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("store mail %s: %w", m.ID, err)
	}
	_, err = f.Write(slices.Concat(line, []byte("\n"), raw))
	if err == nil && !b.noSync {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(final+".tmp", final)
	}
	if err == nil && !b.noSync {
		err = b.dirSync.Do()
	}
	if err != nil {
		return fmt.Errorf("store mail %s: %w", m.ID, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.byID[m.ID] = len(b.mails)
	b.mails = append(b.mails, m)
	close(b.more)
	b.more = make(chan struct{})
	return nil
}

// read fills in what the index shows of the header; an unreadable header
// leaves it empty.
func (m *Mail) read(raw []byte) {
	msg, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return
	}
	m.MessageID = strings.TrimSpace(msg.Header.Get("Message-ID"))
	m.Token = strings.TrimSpace(msg.Header.Get(TokenHeader))
	m.Subject = decode(msg.Header.Get("Subject"))
	m.Sender = decode(msg.Header.Get("From"))
}

// decode reads RFC 2047 words and leaves what it cannot read as it is.
func decode(s string) string {
	if d, err := new(mime.WordDecoder).DecodeHeader(s); err == nil {
		return d
	}
	return s
}

// list copies the index.
func (b *mailbox) list() []Mail {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.mails)
}

// get finds one mail; ErrNoMail if there is none.
func (b *mailbox) get(id string) (Mail, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	i, ok := b.byID[id]
	if !ok {
		return Mail{}, fmt.Errorf("%w: %s", ErrNoMail, id)
	}
	return b.mails[i], nil
}

// raw reads the bytes of one mail as they came.
func (b *mailbox) raw(id string) ([]byte, error) {
	if _, err := b.get(id); err != nil {
		return nil, err
	}
	return ReadRaw(b.dir, id)
}

// ReadRaw reads the bytes of one mail of a mailbox folder as they came.
func ReadRaw(dir, id string) ([]byte, error) {
	f, err := os.Open(filepath.Join(dir, filepath.Base(id)+suffix))
	if err != nil {
		return nil, fmt.Errorf("read mail %s: %w", id, err)
	}
	defer f.Close()
	r := bufio.NewReader(f)
	if _, err := r.ReadBytes('\n'); err != nil {
		return nil, fmt.Errorf("read mail %s: %w", id, err)
	}
	raw, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("read mail %s: %w", id, err)
	}
	return raw, nil
}

// clear deletes all mails.
func (b *mailbox) clear() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	var err error
	for _, m := range b.mails {
		err = errors.Join(err, os.Remove(filepath.Join(b.dir, m.ID+suffix)))
	}
	b.mails, b.byID = nil, map[string]int{}
	return err
}

// arrived returns the number of mails and a channel that is closed when the
// next one comes.
func (b *mailbox) arrived() (int, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.mails), b.more
}

// grouper lets callers that come at the same time share one run of do: each
// gets the result of a run that began after it called.
type grouper struct {
	do   func() error
	mu   sync.Mutex
	cur  *group // running
	next *group // waiting for cur
}

type group struct {
	done chan struct{}
	err  error
}

// Do runs do, or joins a run that has not begun.
func (g *grouper) Do() error {
	g.mu.Lock()
	if g.cur != nil {
		if g.next == nil {
			g.next = &group{done: make(chan struct{})}
		}
		n := g.next
		g.mu.Unlock()
		<-n.done
		return n.err
	}
	n := &group{done: make(chan struct{})}
	g.cur = n
	g.mu.Unlock()
	g.run(n)
	return n.err
}

// run does n, then hands over to those who came meanwhile.
func (g *grouper) run(n *group) {
	n.err = g.do()
	close(n.done)
	g.mu.Lock()
	g.cur, g.next = g.next, nil
	follow := g.cur
	g.mu.Unlock()
	if follow != nil {
		go g.run(follow)
	}
}

// syncDir makes the names in a folder durable. Windows cannot open a folder
// for this and needs it not.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
