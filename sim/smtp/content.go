package smtp

import (
	"bytes"
	"encoding/base64"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"regexp"
	"slices"
	"strings"
)

// Content is what a person sees of a mail, for the page and for tests that
// follow a link.
type Content struct {
	Text, HTML string
	// Links are the http(s) addresses in the text and the HTML, each once.
	Links []string
	// Unsubscribe is the List-Unsubscribe header as it is.
	Unsubscribe string
}

// link finds addresses in text and in href="…"; what an HTML attribute
// escapes is undone by the caller.
var link = regexp.MustCompile(`https?://[^\s"'<>()]+`)

// ReadContent takes a mail apart: multipart/*, base64 and quoted-printable in
// UTF-8. What it cannot read is left out.
func ReadContent(raw []byte) Content {
	var c Content
	msg, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return Content{Text: string(raw)}
	}
	c.Unsubscribe = msg.Header.Get("List-Unsubscribe")
	c.walk(msg.Header.Get("Content-Type"), msg.Header.Get("Content-Transfer-Encoding"), msg.Body, 0)
	for _, l := range append(link.FindAllString(c.Text, -1), link.FindAllString(c.HTML, -1)...) {
		l = strings.TrimRight(strings.ReplaceAll(l, "&amp;", "&"), ".,")
		if !slices.Contains(c.Links, l) {
			c.Links = append(c.Links, l)
		}
	}
	return c
}

func (c *Content) walk(kind, encoding string, body io.Reader, depth int) {
	media, params, err := mime.ParseMediaType(kind)
	if err != nil {
		media = "text/plain"
	}
	if strings.HasPrefix(media, "multipart/") && depth < 8 {
		for parts := multipart.NewReader(body, params["boundary"]); ; {
			p, err := parts.NextRawPart()
			if err != nil {
				return
			}
			c.walk(p.Header.Get("Content-Type"), p.Header.Get("Content-Transfer-Encoding"), p, depth+1)
		}
	}
	switch strings.ToLower(encoding) {
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	}
	b, err := io.ReadAll(body)
	if err != nil {
		return
	}
	switch {
	case media == "text/html" && c.HTML == "":
		c.HTML = string(b)
	case media == "text/plain" && c.Text == "":
		c.Text = string(b)
	}
}
