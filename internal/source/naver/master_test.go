package naver

import (
	"strings"
	"testing"
)

func readAll(t testing.TB, item, file string) (all []entry, odd int64, err error) {
	t.Helper()
	_, odd, err = readMaster(strings.NewReader(file), masterItems[item], func(e entry) { all = append(all, e) })
	return all, odd, err
}

func TestReadMaster(t *testing.T) {
	campaign := "1000\tcmp-a001-01-1\t이름\t1\t1\t0\t\t\t2023-01-01T00:00:00.000Z\t\t0\t"
	group := "1000\tgrp-a001-01-1\tcmp-a001-01-1\t이름\t100\t0\t0\t0\t100\t100\tbsn-a001-00-1\tbsn-a001-00-1\t2023-01-01T00:00:00Z\t\t0\t1\t\t1"
	for _, c := range []struct {
		name, item, file string
		want             []entry
		odd              int64
	}{
		{"a campaign", itemCampaign, campaign + "\n", []entry{{id: "cmp-a001-01-1", name: "이름"}}, 0},
		{"deleted", itemCampaign, strings.Replace(campaign, "\t\t0\t", "\t2024-01-01T00:00:00Z\t0\t", 1), []entry{{id: "cmp-a001-01-1", name: "이름", gone: true}}, 0},
		{"a byte order mark and no line end", itemCampaign, bom + campaign, []entry{{id: "cmp-a001-01-1", name: "이름"}}, 0},
		{"tabs in the name", itemCampaign, strings.Replace(campaign, "이름", "이\t름\t", 1), []entry{{id: "cmp-a001-01-1", name: "이\t름"}}, 0},
		{"lone quotes", itemCampaign, strings.Replace(campaign, "이름", `"이름“`, 1), []entry{{id: "cmp-a001-01-1", name: `"이름“`}}, 0},
		{"an ad group", itemGroup, group + "\r\n", []entry{{id: "grp-a001-01-1", name: "이름", parent: "cmp-a001-01-1"}}, 0},
		{"an ad group with tabs", itemGroup, strings.Replace(group, "이름", "a\tb", 1), []entry{{id: "grp-a001-01-1", name: "a\tb", parent: "cmp-a001-01-1"}}, 0},
		{"columns that Naver has added since", itemGroup, group + "\tNEW\t7", []entry{{id: "grp-a001-01-1", name: "이름", parent: "cmp-a001-01-1"}}, 0},
		{"fewer columns than are needed", itemGroup, "1000\tgrp-a001-01-1\n" + group, []entry{{id: "grp-a001-01-1", name: "이름", parent: "cmp-a001-01-1"}}, 1},
		{"another kind of id", itemCampaign, strings.Replace(campaign, "cmp-", "xyz-", 1) + "\n" + campaign, []entry{{id: "cmp-a001-01-1", name: "이름"}}, 1},
		{"media, and a group of them", itemMedia, "media\t8753\t네이버\tm.naver.com\tTRUE\tTRUE\tFALSE\tTRUE\tTRUE\tFALSE\t\t\t\ngroup\t9\t파트너\t\t\t\t\t\t\t\t\t\t", []entry{{id: "8753", name: "네이버"}}, 0},
		{"a criterion", itemCriterion, "1000\tRL0001\tRL\tgrp-a001-01-1\t100\t0\t1\t{\"name\":\"서울\",\"code\":9}\t2023-01-01T00:00:00Z\t", []entry{{id: "grp-a001-01-1~RL0001", name: "9 서울", parent: "grp-a001-01-1"}}, 0},
		{"a criterion without content", itemCriterion, "1000\tAG0013\tAG\tgrp-a001-01-1\t100\t0\t1\t{}\t2023-01-01T00:00:00Z\t", []entry{{id: "grp-a001-01-1~AG0013", name: "AG0013", parent: "grp-a001-01-1"}}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, odd, err := readAll(t, c.item, c.file)
			if err != nil || odd != c.odd || len(got) != len(c.want) {
				t.Fatalf("%+v, %d odd, %v", got, odd, err)
			}
			for i := range got {
				if got[i] != c.want[i] {
					t.Errorf("%+v, want %+v", got[i], c.want[i])
				}
			}
		})
	}
	for name, file := range map[string]string{"nothing": "", "a page": "<html><h1>x</h1></html>", "JSON": `{"code":20011}`} {
		if _, _, err := readAll(t, itemCampaign, file); !is(err, unreadable) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestNamesAreKept: what is known survives empty names, merges and the way
// through the archive's rows.
func TestNamesAreKept(t *testing.T) {
	n := newNames()
	n.learn(entry{id: "cmp-1", name: "하나"})
	n.learn(entry{id: "cmp-1", gone: true})
	n.learn(entry{id: "nad-1"})
	n.lists[itemCampaign] = listState{since: parseTime("2026-11-25T01:00:00.004Z"), read: day("2026-11-25"), deep: true}
	o := newNames()
	o.learn(entry{id: "cmp-1", name: "둘"})
	o.learn(entry{id: "grp-1", name: "셋", parent: "cmp-1"})
	n.merge(o)
	back, err := readNames(n.rows(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]entry{"cmp-1": {id: "cmp-1", name: "하나", gone: true}, "grp-1": {id: "grp-1", name: "셋", parent: "cmp-1"}, "nad-1": {id: "nad-1"}} {
		if back.of[id] != want {
			t.Errorf("%+v, want %+v", back.of[id], want)
		}
	}
	if back.lists[itemCampaign] != n.lists[itemCampaign] {
		t.Errorf("%+v, want %+v", back.lists[itemCampaign], n.lists[itemCampaign])
	}
	some, err := readNames(n.rows(), func(id string) bool { return itemOfID(id) == itemGroup })
	if err != nil || len(some.of) != 1 || !some.lists[itemCampaign].deep {
		t.Errorf("%v, %v", some, err)
	}
}

// FuzzMaster: whatever a list holds, reading it ends, and what is read has an
// id of the list.
func FuzzMaster(f *testing.F) {
	f.Add(itemCampaign, "1000\tcmp-a001-01-1\t이\t름\t1\t1\t0\t\t\t2023-01-01T00:00:00.000Z\t\t0\t")
	f.Add(itemMedia, "group\t9\tx\nmedia\t1\tx")
	f.Add(itemCriterion, "1\t\t\t\t\t\t\t[[[{}]]]\t\t")
	f.Add("ShoppingProduct", strings.Repeat("\t", 40))
	f.Fuzz(func(t *testing.T, item, file string) {
		m, ok := masterItems[item]
		if !ok {
			return
		}
		_, _, _ = readMaster(strings.NewReader(file), m, func(e entry) {
			if !m.owned && !strings.HasPrefix(e.id, m.prefix) {
				t.Errorf("%q is no id of %s", e.id, item)
			}
		})
	})
}
