package review

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	_ "image/png" // decoded as well
	"io"
	"os"
	"path/filepath"
	"strings"

	"imreport/internal/db"
	"imreport/internal/errs"
)

// Photo is a picture of a review. Its bytes are a file that we encoded
// ourselves: nothing of what was uploaded (places, scripts, hidden data) is
// passed on.
type Photo struct {
	ID     string
	Width  int // pixels
	Height int
	Bytes  int64
	order  string
	line   string
}

const (
	photosPerLine = 5
	// PhotoMax bounds an uploaded picture.
	PhotoMax = 12 << 20 // bytes
	// pixelsMax bounds what is decoded: 4 bytes of memory for each.
	pixelsMax = 50_000_000
	sideMax   = 1600 // pixels, of what is kept
)

// decoding bounds how many pictures are in memory at once.
var decoding = make(chan struct{}, 2)

func (s *Service) photoFile(id string) string {
	return filepath.Join(s.o.Dir, "review-photos", id[len(id)-2:], id+".jpg")
}

func (s *Service) removePhoto(id string) {
	if err := os.Remove(s.photoFile(id)); err != nil && !errors.Is(err, os.ErrNotExist) {
		s.log.Warn("picture not removed", "id", id, "error", err)
	}
}

// AddPhoto keeps a picture for a line of the form behind a review link. Errors:
// those of Open, review.photo_unreadable, review.photo_too_large,
// review.photo_too_many.
func (s *Service) AddPhoto(ctx context.Context, token, line string, r io.Reader) (p Photo, err error) {
	m, o, sh, v, err := s.openLink(ctx, token)
	if err != nil {
		return p, err
	}
	f, err := s.form(ctx, s.d, m, o, sh, v)
	if err != nil {
		return p, err
	}
	if f.Written && !v.MayEdit {
		return p, errs.E(errs.Conflict, "review.written_already", nil)
	}
	if err := s.alive(m, o, v); err != nil {
		return p, err
	}
	known := false
	for _, l := range f.Lines {
		known = known || l.Key == line
	}
	if !known {
		return p, errs.InvalidField("line", "review.line_unknown")
	}
	b, w, h, err := encode(ctx, r)
	if err != nil {
		return p, err
	}
	// The same picture of the same line is the same photo: a form that is sent
	// twice adds it once.
	sum := sha256.Sum256([]byte(o.ID + "\x00" + line + "\x00" + string(b)))
	p = Photo{ID: hex.EncodeToString(sum[:16]), Width: w, Height: h, Bytes: int64(len(b)), order: o.ID, line: line}
	name := s.photoFile(p.ID)
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return p, fmt.Errorf("keep picture: %w", err)
	}
	// Whole or not at all, also beside another upload of the same.
	tmp := name + "." + db.NewID()
	if err := os.WriteFile(tmp, b, 0o600); err != nil {
		return p, fmt.Errorf("keep picture: %w", err)
	}
	if err := os.Rename(tmp, name); err != nil {
		return p, fmt.Errorf("keep picture: %w", err)
	}
	err = s.d.InTx(ctx, func(tx *db.Tx) error {
		// The form's row is locked, so that two uploads count each other.
		_, err := tx.Exec(ctx, `INSERT INTO review_form (shop_id, order_id, draft, draft_us, submitted_us, message_id) VALUES ($1, $2, '', 0, 0, $3)
			ON CONFLICT (shop_id, order_id) DO UPDATE SET order_id = excluded.order_id`, sh.ID, o.ID, m.ID)
		if err != nil {
			return fmt.Errorf("lock form: %w", err)
		}
		var have, same int
		err = tx.QueryRow(ctx, `SELECT count(*), count(*) FILTER (WHERE id = $4) FROM review_photo WHERE shop_id = $1 AND order_id = $2 AND line = $3`,
			sh.ID, o.ID, line, p.ID).Scan(&have, &same)
		if err != nil {
			return fmt.Errorf("count pictures: %w", err)
		}
		switch {
		case same > 0:
			return nil
		case have >= photosPerLine:
			return errs.InvalidField("photo", "review.photo_too_many", photosPerLine)
		}
		_, err = tx.Exec(ctx, `INSERT INTO review_photo (id, shop_id, order_id, line, width, height, bytes, created_us) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
			p.ID, sh.ID, o.ID, line, w, h, p.Bytes, db.US(s.now()))
		return err
	})
	return p, err
}

// DropPhoto removes a picture from the form behind a review link, while the
// form may be changed. One that is gone already is no error.
func (s *Service) DropPhoto(ctx context.Context, token, id string) error {
	m, o, sh, v, err := s.openLink(ctx, token)
	if err != nil {
		return err
	}
	f, err := s.form(ctx, s.d, m, o, sh, v)
	if err != nil || f.Written && !v.MayEdit {
		return err
	}
	n, err := s.d.Exec(ctx, `DELETE FROM review_photo WHERE id = $1 AND shop_id = $2 AND order_id = $3`, id, sh.ID, o.ID)
	if err == nil && n > 0 {
		s.removePhoto(id)
	}
	return err
}

// PhotoFile is the file of a picture that anybody may see: its review is
// published; or that belongs to the form behind token; or to the shop, for its
// people. Errors: review.photo_not_found.
func (s *Service) PhotoFile(ctx context.Context, id, token, shopID string) (name string, err error) {
	missing := errs.E(errs.NotFound, "review.photo_not_found", nil)
	var shop, orderID, line string
	err = s.d.QueryRow(ctx, `SELECT shop_id, order_id, line FROM review_photo WHERE id = $1`, id).Scan(&shop, &orderID, &line)
	if errors.Is(err, sql.ErrNoRows) {
		return "", missing
	}
	if err != nil {
		return "", fmt.Errorf("picture %s: %w", id, err)
	}
	name = s.photoFile(id)
	if shopID != "" && shopID == shop {
		return name, nil
	}
	if token != "" {
		m, err := s.byToken(ctx, forReview, token)
		if err != nil || m.OrderID != orderID {
			return "", missing
		}
		return name, nil
	}
	var n int
	err = s.d.QueryRow(ctx, `SELECT count(*) FROM review WHERE shop_id = $1 AND order_id = $2 AND line = $3 AND state = 'published'`, shop, orderID, line).Scan(&n)
	if err != nil || n == 0 {
		return "", errors.Join(missing, err)
	}
	return name, nil
}

func (s *Service) photosOf(ctx context.Context, q db.Queryer, shopID, orderID string) (map[string][]Photo, error) {
	all, err := db.All(ctx, q, scanPhoto, `SELECT id, width, height, bytes, order_id, line FROM review_photo WHERE shop_id = $1 AND order_id = $2 ORDER BY created_us, id`, shopID, orderID)
	if err != nil {
		return nil, fmt.Errorf("pictures of order %s: %w", orderID, err)
	}
	by := map[string][]Photo{}
	for _, p := range all {
		by[p.line] = append(by[p.line], p)
	}
	return by, nil
}

func scanPhoto(r db.Scanner) (p Photo, err error) {
	err = r.Scan(&p.ID, &p.Width, &p.Height, &p.Bytes, &p.order, &p.line)
	return p, err
}

// illustrate adds the pictures of reviews of one shop.
func (s *Service) illustrate(ctx context.Context, all []Review) error {
	if len(all) == 0 {
		return nil
	}
	args, at := []any{all[0].ShopID}, map[string][]int{}
	for i, v := range all {
		if at[v.OrderID] == nil {
			args = append(args, v.OrderID)
		}
		at[v.OrderID] = append(at[v.OrderID], i)
	}
	photos, err := db.All(ctx, s.d, scanPhoto, `SELECT id, width, height, bytes, order_id, line FROM review_photo
		WHERE shop_id = $1 AND order_id IN (`+db.Params(2, len(args)-1)+`) ORDER BY created_us, id`, args...)
	if err != nil {
		return fmt.Errorf("pictures: %w", err)
	}
	for _, p := range photos {
		for _, i := range at[p.order] {
			if all[i].Line == p.line {
				all[i].Photos = append(all[i].Photos, p)
			}
		}
	}
	return nil
}

// encode reads a JPEG or PNG and writes it as a JPEG of at most sideMax,
// turned as the camera was held, with nothing else of the file.
func encode(ctx context.Context, r io.Reader) (b []byte, w, h int, err error) {
	raw, err := io.ReadAll(io.LimitReader(r, PhotoMax+1))
	if err != nil {
		return nil, 0, 0, err
	}
	if len(raw) > PhotoMax {
		return nil, 0, 0, errs.E(errs.TooLarge, "review.photo_too_large", nil, PhotoMax>>20)
	}
	select {
	case decoding <- struct{}{}:
		defer func() { <-decoding }()
	case <-ctx.Done():
		return nil, 0, 0, ctx.Err()
	}
	bad := func(err error) ([]byte, int, int, error) {
		e := errs.InvalidField("photo", "review.photo_unreadable")
		e.Cause = err
		return nil, 0, 0, e
	}
	c, kind, err := image.DecodeConfig(bytes.NewReader(raw))
	if err != nil || c.Width < 1 || c.Height < 1 {
		return bad(err)
	}
	if c.Width > pixelsMax/c.Height {
		return nil, 0, 0, errs.E(errs.TooLarge, "review.photo_too_large", nil, PhotoMax>>20)
	}
	img, _, err := image.Decode(bytes.NewReader(raw))
	if err != nil {
		return bad(err)
	}
	turn := 1
	if kind == "jpeg" {
		turn = orientation(raw)
	}
	small := shrink(img, sideMax)
	out := turned(small, turn)
	var buf bytes.Buffer
	if err := jpeg.Encode(&buf, out, &jpeg.Options{Quality: 85}); err != nil {
		return bad(err)
	}
	return buf.Bytes(), out.Bounds().Dx(), out.Bounds().Dy(), nil
}

// shrink averages the pixels of img down to at most side on its longer edge,
// on white where it is transparent.
func shrink(img image.Image, side int) *image.RGBA {
	b := img.Bounds()
	w, h := b.Dx(), b.Dy()
	nw, nh := w, h
	if most := max(w, h); most > side {
		nw, nh = max(1, w*side/most), max(1, h*side/most)
	}
	out := image.NewRGBA(image.Rect(0, 0, nw, nh))
	for y := range nh {
		y0, y1 := y*h/nh, max(y*h/nh+1, (y+1)*h/nh)
		for x := range nw {
			x0, x1 := x*w/nw, max(x*w/nw+1, (x+1)*w/nw)
			var r, g, bl, n uint64
			for yy := y0; yy < y1; yy++ {
				for xx := x0; xx < x1; xx++ {
					cr, cg, cb, ca := img.At(b.Min.X+xx, b.Min.Y+yy).RGBA()
					white := uint64(0xffff - ca)
					r, g, bl, n = r+uint64(cr)+white, g+uint64(cg)+white, bl+uint64(cb)+white, n+1
				}
			}
			out.SetRGBA(x, y, color.RGBA{uint8(r / n >> 8), uint8(g / n >> 8), uint8(bl / n >> 8), 0xff})
		}
	}
	return out
}

// turned applies an EXIF orientation of 1 to 8.
func turned(img *image.RGBA, o int) *image.RGBA {
	if o < 2 || o > 8 {
		return img
	}
	w, h := img.Bounds().Dx(), img.Bounds().Dy()
	nw, nh := w, h
	if o >= 5 {
		nw, nh = h, w
	}
	out := image.NewRGBA(image.Rect(0, 0, nw, nh))
	for y := range h {
		for x := range w {
			nx, ny := x, y
			switch o {
			case 2:
				nx = w - 1 - x
			case 3:
				nx, ny = w-1-x, h-1-y
			case 4:
				ny = h - 1 - y
			case 5:
				nx, ny = y, x
			case 6:
				nx, ny = h-1-y, x
			case 7:
				nx, ny = h-1-y, w-1-x
			case 8:
				nx, ny = y, w-1-x
			}
			out.SetRGBA(nx, ny, img.RGBAAt(x, y))
		}
	}
	return out
}

// orientation reads how the camera was held from a JPEG's EXIF part; 1 when it
// does not say.
func orientation(b []byte) int {
	for i := 2; i+4 <= len(b) && b[i] == 0xff && b[i+1] != 0xda; {
		n := int(b[i+2])<<8 | int(b[i+3])
		if b[i+1] == 0xe1 && n >= 16 && i+2+n <= len(b) && strings.HasPrefix(string(b[i+4:i+10]), "Exif\x00\x00") {
			return tiffOrientation(b[i+10 : i+2+n])
		}
		if n < 2 {
			return 1
		}
		i += 2 + n
	}
	return 1
}

func tiffOrientation(t []byte) int {
	if len(t) < 14 {
		return 1
	}
	little := t[0] == 'I'
	u16 := func(i int) int {
		if i < 0 || i+2 > len(t) {
			return 0
		}
		if little {
			return int(t[i]) | int(t[i+1])<<8
		}
		return int(t[i])<<8 | int(t[i+1])
	}
	dir := u16(4) | u16(6)<<16
	if !little {
		dir = u16(4)<<16 | u16(6)
	}
	if dir < 8 || dir > len(t)-2 {
		return 1
	}
	for i := range u16(dir) {
		at := dir + 2 + 12*i
		if at+12 > len(t) {
			return 1
		}
		if u16(at) == 0x0112 {
			return u16(at + 8)
		}
	}
	return 1
}
