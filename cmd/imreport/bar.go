package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/mattn/go-isatty"

	"imreport/internal/app"
	"imreport/internal/i18n"
)

// quietLevel keeps the log out of the bar; what matters is said in words.
const quietLevel = slog.LevelError

const (
	drawEvery  = 200 * time.Millisecond // on a terminal
	printEvery = 10 * time.Second       // of plain lines
	barWidth   = 24                     // characters
)

// bar shows how far an import is: one line that is drawn again and again on a
// terminal, plain lines every now and then otherwise.
type bar struct {
	w        io.Writer
	lang     i18n.Lang
	terminal bool
	quiet    bool

	mu    sync.Mutex
	drawn bool // a line stands that must be wiped first
	last  string
	stop  chan struct{}
	ended chan struct{}
}

func newBar(o *out, lang i18n.Lang, quiet bool) *bar {
	b := &bar{w: o.stderr, lang: lang, quiet: quiet}
	if f, ok := o.stderr.(*os.File); ok {
		b.terminal = isatty.IsTerminal(f.Fd())
	}
	return b
}

// say prints a sentence of its own line.
func (b *bar) say(key string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.quiet {
		return
	}
	b.wipe()
	fmt.Fprintln(b.w, i18n.T(b.lang, key, args...))
}

func (b *bar) wipe() {
	if b.drawn {
		fmt.Fprint(b.w, "\r\x1b[K")
		b.drawn = false
	}
}

// follow shows the import until close.
func (b *bar) follow(ctx context.Context, im *app.Import) {
	if b.quiet {
		return
	}
	b.stop, b.ended = make(chan struct{}), make(chan struct{})
	every := printEvery
	if b.terminal {
		every = drawEvery
	}
	go func() {
		defer close(b.ended)
		tick := time.NewTicker(every)
		defer tick.Stop()
		var rows int64
		var asked time.Time
		for {
			select {
			case <-b.stop:
				return
			case <-tick.C:
			}
			p := im.Progress()
			if p.Writing {
				rows = p.Rows
			} else if time.Since(asked) > time.Second {
				rows, asked = im.Rows(ctx), time.Now()
			}
			b.show(p, rows)
		}
	}()
}

func (b *bar) show(p app.ImportProgress, rows int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	line := b.text(p, rows)
	if b.terminal {
		b.drawn = true
		fmt.Fprint(b.w, "\r"+line+"\x1b[K")
	} else if line != b.last {
		fmt.Fprintln(b.w, line)
	}
	b.last = line
}

func (b *bar) text(p app.ImportProgress, rows int64) string {
	if p.Writing {
		return b.draw(rows, p.AllRows) + i18n.T(b.lang, "cli.bar_writing", number(rows), number(p.AllRows))
	}
	left := "–"
	if p.Left > 0 {
		left = p.Left.Round(time.Second).String()
	}
	return b.draw(int64(p.Pieces), int64(p.Planned)) +
		i18n.T(b.lang, "cli.bar_collecting", p.Pieces, p.Planned, number(p.Requests), number(rows), left)
}

func (b *bar) draw(done, all int64) string {
	if !b.terminal {
		return ""
	}
	n := 0
	if all > 0 {
		n = int(min(done, all) * barWidth / all)
	}
	return "[" + strings.Repeat("█", n) + strings.Repeat("·", barWidth-n) + "] "
}

// close ends the bar and wipes its line; twice does nothing more.
func (b *bar) close() {
	if b.stop != nil {
		close(b.stop)
		<-b.ended
		b.stop = nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.wipe()
}

func upper(all []string) []string {
	out := make([]string, len(all))
	for i, s := range all {
		out[i] = strings.ToUpper(strings.TrimSpace(s))
	}
	return out
}
