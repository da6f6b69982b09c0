package naver

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"imreport/internal/table"
)

// The master lists whose names the reports need (docs/naver.md has all).
const (
	itemCampaign = "Campaign"
	itemGroup    = "Adgroup"
	itemKeyword  = "Keyword"
	itemChannel  = "BusinessChannel"
	itemMedia    = "Media"
	// itemAd stands for all the lists of ads.
	itemAd        = "Ad"
	itemCriterion = "Criterion"
)

// masterItem says where a list has what names need; columns count from 0.
type masterItem struct {
	name    string
	prefix  string // of its ids
	least   int    // columns a line must have
	id      int
	title   int
	parent  int // -1: none
	deleted int // -1: not told
	delta   bool
	layout  []field
	// owned: the id of a row is its owner's, "~" and its own.
	owned bool
}

var masterItems = map[string]masterItem{
	itemCampaign:  listed(itemCampaign, "cmp-", 10, 1, 2, -1, 9, "C cmp- T F F F D D D D F A"),
	itemGroup:     listed(itemGroup, "grp-", 14, 1, 3, 2, 13, "C grp- cmp- T F F F F F F bsn- bsn- D D A F A F"),
	itemKeyword:   listed(itemKeyword, "nkw-", 12, 2, 3, 1, 11, "C grp- nkw- T F A A F F F D D F"),
	itemChannel:   listed(itemChannel, "bsn-", 9, 2, 1, -1, 8, "C T bsn- F A F F D D"),
	itemCriterion: {name: itemCriterion, least: 10, id: 1, title: 7, parent: 3, deleted: 9, delta: true, owned: true, layout: masterLayout("C A A A F F F T D D")},
	itemMedia:     {name: itemMedia, least: 3, id: 1, title: 2, parent: -1, deleted: -1, layout: masterLayout("F N T A F F F F F F F D D")},

	itemAd:             listed(itemAd, "nad-", 11, 2, 4, 1, 10, "C grp- nad- F T A A A F D D"),
	"HospitalAd":       listed("HospitalAd", "nad-", 14, 2, 7, 1, 13, "C grp- nad- F F A A T A A A A D D"),
	"ContentsAd":       listed("ContentsAd", "nad-", 15, 2, 4, 1, 14, "C grp- nad- F T A A A A A A A F D D"),
	"ShoppingProduct":  listed("ShoppingProduct", "nad-", 15, 2, 14, 1, 11, "C grp- nad- F F A A F F F D D A A T A A A A A A A A A A A A A A"),
	"CatalogAd":        listed("CatalogAd", "nad-", 13, 2, 11, 1, 9, "C grp- nad- F F F F F D D A T A A A A A A A A A A A A A A A A A A"),
	"BrandAd":          listed("BrandAd", "nad-", 12, 2, 5, 1, 11, "C grp- nad- F F T A A A A D D"),
	"BrandThumbnailAd": listed("BrandThumbnailAd", "nad-", 13, 2, 5, 1, 12, "C grp- nad- F F T A A A A A D D"),
	"BrandBannerAd":    listed("BrandBannerAd", "nad-", 12, 2, 5, 1, 11, "C grp- nad- F F T A A A A D D"),
}

// listed is a list with deltas.
func listed(name, prefix string, least, id, title, parent, deleted int, layout string) masterItem {
	return masterItem{name: name, prefix: prefix, least: least, id: id, title: title, parent: parent, deleted: deleted, delta: true, layout: masterLayout(layout)}
}

// listsOf are the lists in which these ids of an item may be: ads have several,
// by the product that stands in their id.
func listsOf(item string, ids []string) (all []masterItem) {
	if item != itemAd {
		return []masterItem{masterItems[item]}
	}
	has := func(product string) bool {
		return slices.ContainsFunc(ids, func(id string) bool { return productOf(id) == product })
	}
	for _, p := range []struct {
		product string
		lists   []string
	}{
		{"01", []string{itemAd, "HospitalAd"}},
		{"02", []string{"ShoppingProduct", "CatalogAd", "BrandAd", "BrandThumbnailAd", "BrandBannerAd"}},
		{"03", []string{"ContentsAd"}},
	} {
		if !has(p.product) {
			continue
		}
		for _, name := range p.lists {
			all = append(all, masterItems[name])
		}
	}
	return all
}

// productOf is the middle pair of an id: "02" is shopping.
func productOf(id string) string {
	parts := strings.SplitN(id, "-", 4)
	if len(parts) != 4 {
		return ""
	}
	return parts[2]
}

// masterLayout reads the columns of a list: C customer, T the name, F a flag
// or number, D a time, A anything, N a number, or the prefix of an id.
func masterLayout(s string) (l []field) {
	forms := map[string]form{"C": formCustomer, "T": formText, "F": formFlag, "D": formTime, "A": formAny, "N": formCode,
		"cmp-": formCampaign, "grp-": formGroup, "nkw-": formKeyword}
	for _, c := range strings.Fields(s) {
		f, ok := forms[c]
		if !ok {
			f = formOptional
			if len(l) == 2 { // a channel's own id
				f = formChannel
			}
		}
		l = append(l, field{form: f})
	}
	return l
}

// readMaster reads a list and calls add for each entity. Lines that cannot be
// read are counted and left out: a name that is missing comes another day.
func readMaster(in io.Reader, m masterItem, add func(e entry)) (rows, odd int64, err error) {
	r := bufio.NewReaderSize(in, 64<<10)
	l := layout{fields: m.layout}
	var line []byte
	var split [][]byte
	for n := 0; ; n++ {
		line = line[:0]
		for {
			part, rerr := r.ReadSlice('\n')
			if len(line)+len(part) <= lineMax {
				line = append(line, part...)
			}
			err = rerr
			if !errors.Is(rerr, bufio.ErrBufferFull) {
				break
			}
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return rows, odd, err
		}
		last := err != nil
		if n == 0 {
			line = bytes.TrimPrefix(line, []byte(bom))
			switch s := shapeOf(line); {
			case s == empty && last:
				return 0, 0, &fault{class: unreadable, op: "report-download", cause: errEmptyFile}
			case s == htmlBody || s == jsonBody:
				return 0, 0, &fault{class: unreadable, op: "report-download", title: clip(string(bytes.ToValidUTF8(line, nil)), 200)}
			}
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) > 0 {
			if !utf8.Valid(line) {
				line = bytes.ToValidUTF8(line, []byte("\uFFFD"))
			}
			split = cutTabs(split[:0], line)
			if m.name == itemMedia && bytes.EqualFold(split[0], []byte("group")) {
				continue // of media, not a medium
			}
			if e, ok := m.read(&l, split); ok {
				rows++
				add(e)
			} else {
				odd++
			}
		}
		if last {
			return rows, odd, nil
		}
	}
}

// read makes an entry of a line's fields.
func (m masterItem) read(l *layout, split [][]byte) (e entry, ok bool) {
	if k := len(split) - len(l.fields); k > 0 {
		if values, _, fits := l.align(split, k, -1); fits {
			split = values
		}
	}
	if len(split) < m.least {
		return e, false
	}
	e.id = string(split[m.id])
	if m.owned {
		e.id = string(split[m.parent]) + "~" + e.id
	}
	if !strings.HasPrefix(e.id, m.prefix) || m.name == itemMedia && !digits(split[m.id]) {
		return e, false
	}
	e.name = string(bytes.TrimSpace(split[m.title]))
	if m.owned {
		if e.name = contentName(e.name); e.name == "" {
			e.name = string(split[m.id]) // gender, age and the like: the code says it all
		}
	}
	if m.parent >= 0 {
		e.parent = string(split[m.parent])
	}
	e.gone = m.deleted >= 0 && len(split[m.deleted]) > 0 && strictly(formTime, split[m.deleted])
	return e, true
}

func cutTabs(split [][]byte, line []byte) [][]byte {
	for {
		i := bytes.IndexByte(line, '\t')
		if i < 0 {
			return append(split, line)
		}
		split = append(split, line[:i])
		line = line[i+1:]
	}
}

// itemsFor are the lists that the reports' names come from. Those after the
// first few are read only when an id of theirs has no name.
func itemsFor(reports []string) (daily, lazy []string) {
	needs := map[string]bool{}
	for _, r := range reports {
		t, ok := typeOf(r)
		if !ok {
			continue
		}
		needs[itemKeyword] = needs[itemKeyword] || t.has("keyword_id")
		needs[itemMedia] = needs[itemMedia] || t.has("media")
		needs[itemChannel] = needs[itemChannel] || t.has("channel_id") || t.has("ext_channel_id")
		needs[itemAd] = needs[itemAd] || t.has("ad_id")
		needs[itemCriterion] = needs[itemCriterion] || t.has("criterion_id")
	}
	daily = []string{itemCampaign, itemGroup}
	if needs[itemKeyword] {
		daily = append(daily, itemKeyword)
	}
	for _, item := range []string{itemChannel, itemMedia, itemAd, itemCriterion} {
		if needs[item] {
			lazy = append(lazy, item)
		}
	}
	return daily, lazy
}

// contentName makes a name of a criterion's content: what stands in it when it
// is JSON, which may be nothing, else the content itself.
func contentName(s string) string {
	var v any
	if json.Unmarshal([]byte(s), &v) != nil {
		return s
	}
	var parts []string
	var walk func(v any, depth int)
	walk = func(v any, depth int) {
		switch v := v.(type) {
		case string:
			if v != "" {
				parts = append(parts, v)
			}
		case float64:
			parts = append(parts, strconv.FormatFloat(v, 'f', -1, 64))
		case []any:
			for _, x := range v {
				if depth < 5 {
					walk(x, depth+1)
				}
			}
		case map[string]any:
			for _, k := range slices.Sorted(maps.Keys(v)) {
				if depth < 5 {
					walk(v[k], depth+1)
				}
			}
		}
	}
	walk(v, 0)
	return clip(strings.Join(parts, " "), 200)
}

// itemOf is the list in which an id of the column has its name; "" if none.
func itemOf(column string) string {
	switch column {
	case "campaign_id":
		return itemCampaign
	case "adgroup_id":
		return itemGroup
	case "keyword_id":
		return itemKeyword
	case "channel_id", "ext_channel_id":
		return itemChannel
	case "ad_id":
		return itemAd
	case "criterion_id":
		return itemCriterion
	case "media":
		return itemMedia
	}
	return ""
}

// entry is what is known of an id.
type entry struct {
	id     string
	name   string
	parent string // the ad group's campaign, the keyword's ad group
	gone   bool   // deleted at Naver
}

// namesSchema is how names are kept in the archive: one row per id. Rows of
// kind "@since" say up to when a list is known (id: the list), those of kind
// "@read" on which Korean day it was last read, and "@deep" that its deleted
// entities have been asked for.
var namesSchema = table.Schema{
	{Name: "kind", Kind: table.Text}, {Name: "id", Kind: table.ID}, {Name: "name", Kind: table.Text},
	{Name: "parent", Kind: table.ID}, {Name: "gone", Kind: table.Int},
}
