package page

import (
	"fmt"
	"html/template"
	"strconv"
	"strings"
	"time"

	"imreport/internal/account"
	"imreport/internal/i18n"
	"imreport/internal/table"
)

// seoul is the zone of workspaces that say none.
var seoul = table.KST

// funcs are the words and formats of templates in language l.
func funcs(l i18n.Lang) template.FuncMap {
	return template.FuncMap{
		"t":       func(key string, args ...any) string { return i18n.T(l, key, args...) },
		"asset":   Asset,
		"icon":    icon,
		"num":     Number,
		"bytes":   Bytes,
		"percent": Percent,
		"at":      func(t time.Time, zone *time.Location) string { return At(l, t, zone) },
		"clock":   func(t time.Time, zone *time.Location) string { return t.In(zone).Format("15:04:05") },
		"stamp":   func(t time.Time, zone *time.Location) string { return t.In(zone).Format("2006-01-02 15:04:05") },
		"when":    func(t, now time.Time, zone *time.Location) string { return When(l, t, now, zone) },
		"dict":    dict,
		"rfc":     func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"mask":    account.Mask,
		"lower":   strings.ToLower,
		"join":    strings.Join,
	}
}

// dict makes the argument of a component out of names and values.
func dict(pairs ...any) (map[string]any, error) {
	if len(pairs)%2 != 0 {
		return nil, fmt.Errorf("dict: %d arguments", len(pairs))
	}
	m := make(map[string]any, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		name, ok := pairs[i].(string)
		if !ok {
			return nil, fmt.Errorf("dict: %v is no name", pairs[i])
		}
		m[name] = pairs[i+1]
	}
	return m, nil
}

// Number writes n with a comma between thousands: 1,234,567.
func Number(n any) string {
	s := fmt.Sprint(n)
	sign := ""
	if strings.HasPrefix(s, "-") {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

// Bytes writes a size: 12 KB, 3.4 MB.
func Bytes(n int64) string {
	switch {
	case n >= 1<<30:
		return strconv.FormatFloat(float64(n)/(1<<30), 'f', 1, 64) + " GB"
	case n >= 1<<20:
		return strconv.FormatFloat(float64(n)/(1<<20), 'f', 1, 64) + " MB"
	default:
		return Number((n+1023)/1024) + " KB"
	}
}

// Percent writes a share of 0 to 1 as 1.2 %.
func Percent(share float64) string { return strconv.FormatFloat(share*100, 'f', 1, 64) + " %" }

// At writes an instant with its day.
func At(l i18n.Lang, t time.Time, zone *time.Location) string {
	if t.IsZero() {
		return ""
	}
	t = t.In(zone)
	if l == i18n.Korean {
		return fmt.Sprintf("%d. %d. %d. %s", t.Year(), t.Month(), t.Day(), t.Format("15:04"))
	}
	return t.Format("2 Jan 2006, 15:04")
}

// When writes an instant as people say it near now: today 07:30, tomorrow
// 07:30, 3. 12. 07:30.
func When(l i18n.Lang, t, now time.Time, zone *time.Location) string {
	if t.IsZero() {
		return ""
	}
	t, now = t.In(zone), now.In(zone)
	hour := t.Format("15:04")
	switch days(t) - days(now) {
	case 0:
		return i18n.T(l, "ui.when.today", hour)
	case 1:
		return i18n.T(l, "ui.when.tomorrow", hour)
	case -1:
		return i18n.T(l, "ui.when.yesterday", hour)
	}
	if t.Year() == now.Year() {
		if l == i18n.Korean {
			return fmt.Sprintf("%d월 %d일 %s", t.Month(), t.Day(), hour)
		}
		return t.Format("2 Jan 15:04")
	}
	return At(l, t, zone)
}

// days counts calendar days in t's own zone.
func days(t time.Time) int64 {
	return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC).Unix() / 86400
}

// icons are drawn by hand on a grid of 24.
var icons = map[string]string{
	"sheet":    `<rect x="4" y="3" width="16" height="18" rx="2"/><path d="M4 9h16M4 15h16M10 9v12"/>`,
	"sun":      `<circle cx="12" cy="13" r="4"/><path d="M12 4v2.5M4.5 7.5 6.3 9.3M19.5 7.5 17.7 9.3M2.5 13H5M19 13h2.5M4 20h16"/>`,
	"key":      `<circle cx="8" cy="15" r="4"/><path d="m11 12 8-8m-3 3 3 3"/>`,
	"bell":     `<path d="M6 16V11a6 6 0 0 1 12 0v5l1.5 2h-15zM10 21h4"/>`,
	"people":   `<circle cx="9" cy="8" r="3.5"/><path d="M3 20c0-3.3 2.7-6 6-6s6 2.7 6 6M16 4.8a3.5 3.5 0 0 1 0 6.4M18 14.5c1.9.9 3 2.8 3 5.5"/>`,
	"settings": `<path d="M4 7h10M18 7h2M4 17h2M10 17h10"/><circle cx="16" cy="7" r="2"/><circle cx="8" cy="17" r="2"/>`,
	"download": `<path d="M12 4v11m-4.5-4L12 15.5 16.5 11M5 20h14"/>`,
	"refresh":  `<path d="M20 12a8 8 0 1 1-2.3-5.6M20 4v4.5h-4.5"/>`,
	"plus":     `<path d="M12 5v14M5 12h14"/>`,
	"stop":     `<rect x="6" y="6" width="12" height="12" rx="1.5"/>`,
	"pause":    `<path d="M9 6v12M15 6v12"/>`,
	"play":     `<path d="M8 5.5v13l10-6.5z"/>`,
	"edit":     `<path d="M4 20h4L19 9l-4-4L4 16zM13 7l4 4"/>`,
	"trash":    `<path d="M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13"/>`,
	"check":    `<path d="m5 12.5 4.5 4.5L19 7.5"/>`,
	"warn":     `<path d="M12 4 2.5 20h19zM12 10v4.5M12 17.3v.2"/>`,
	"info":     `<circle cx="12" cy="12" r="9"/><path d="M12 11v5.5M12 7.8v.2"/>`,
	"search":   `<circle cx="11" cy="11" r="6.5"/><path d="m16 16 4.5 4.5"/>`,
	"shop":     `<path d="M4 10v10h16V10M3 10l2-6h14l2 6a3 3 0 0 1-6 0 3 3 0 0 1-6 0 3 3 0 0 1-6 0zM10 20v-5h4v5"/>`,
	"book":     `<path d="M5 4h11a3 3 0 0 1 3 3v13H8a3 3 0 0 1-3-3zM5 17a3 3 0 0 1 3-3h11"/>`,
}

// icon is a drawing that says nothing to a screen reader: words stand beside
// it.
func icon(name string) (template.HTML, error) {
	d, ok := icons[name]
	if !ok {
		return "", fmt.Errorf("no icon %q", name)
	}
	return template.HTML(`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true">` + d + `</svg>`), nil
}
