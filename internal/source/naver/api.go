package naver

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"imreport/internal/table"
)

// job is one stat report being made by Naver: a customer, a type, a day.
type job struct {
	ID     number  `json:"reportJobId"`
	Report text    `json:"reportTp"`
	Day    statDay `json:"statDt"`
	Status text    `json:"status"`
	URL    text    `json:"downloadUrl"`
	Made   instant `json:"regTm"`
}

// The states of a job. One that is not known counts as not ready yet.
const (
	statusBuilt   = "BUILT"
	statusNone    = "NONE"    // no data that day: nothing to download
	statusError   = "ERROR"   // create again
	statusChanged = "CHANGED" // Naver restated the day: create again
)

func (cl *client) createJob(ctx context.Context, w who, report string, day table.Day) (job, error) {
	var j job
	err := one(ctx, cl, w, call{
		op: "stat-reports.create", scope: scopeReport, method: http.MethodPost, path: "/stat-reports", once: true,
		body: map[string]string{"reportTp": report, "statDt": day.Compact()},
	}, &j)
	if err == nil && j.ID == 0 {
		err = &fault{class: unreadable, op: "stat-reports.create", customer: w.customer, title: "a job without an id"}
	}
	return j, err
}

// jobs are all jobs of the customer, also those of other tools and people.
func (cl *client) jobs(ctx context.Context, w who) ([]job, error) {
	return list[job](ctx, cl, w, call{op: "stat-reports.list", scope: scopeReport, method: http.MethodGet, path: "/stat-reports"})
}

// deleteJob deletes a job; that it is gone already is no error.
func (cl *client) deleteJob(ctx context.Context, w who, id int64) error {
	_, err := cl.send(ctx, w, call{
		op: "stat-reports.delete", scope: scopeReport, method: http.MethodDelete, path: "/stat-reports/" + strconv.FormatInt(id, 10),
	}, false)
	if is(err, jobLost, gone) {
		return nil
	}
	return err
}

// download opens a report. The address is used exactly as Naver gave it: its
// token and version are part of what is checked. Only its host must be the one
// that requests go to.
func (cl *client) download(ctx context.Context, w who, address string) (*reply, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host != cl.base.Host || u.Scheme != cl.base.Scheme {
		return nil, &fault{class: unreadable, op: "report-download", customer: w.customer, title: "a download address elsewhere"}
	}
	path := u.Path
	if i := strings.LastIndex(path, "/report-download"); i >= 0 {
		path = path[i:]
	}
	return cl.send(ctx, w, call{op: "report-download", scope: scopeReport, method: http.MethodGet, path: path, exact: address}, true)
}

// master is one list of entities being made by Naver.
type master struct {
	ID      text    `json:"id"`
	Item    text    `json:"item"`
	Updated instant `json:"updateTime"`
	Status  text    `json:"status"`
	URL     text    `json:"downloadUrl"`
}

// createMaster asks for a list of entities: all that exist, or, with a time,
// all that were made, changed or deleted since.
func (cl *client) createMaster(ctx context.Context, w who, item string, since time.Time) (master, error) {
	body := map[string]string{"item": item}
	if !since.IsZero() {
		body["fromTime"] = since.UTC().Format("2006-01-02T15:04:05Z")
	}
	var m master
	err := one(ctx, cl, w, call{op: "master-reports.create", scope: scopeReport, method: http.MethodPost, path: "/master-reports", body: body}, &m)
	if err == nil && m.ID == "" {
		err = &fault{class: unreadable, op: "master-reports.create", customer: w.customer, title: "a job without an id"}
	}
	return m, err
}

func (cl *client) masters(ctx context.Context, w who) ([]master, error) {
	return list[master](ctx, cl, w, call{op: "master-reports.list", scope: scopeReport, method: http.MethodGet, path: "/master-reports"})
}

func (cl *client) deleteMaster(ctx context.Context, w who, id string) error {
	_, err := cl.send(ctx, w, call{
		op: "master-reports.delete", scope: scopeReport, method: http.MethodDelete, path: "/master-reports/" + url.PathEscape(id),
	}, false)
	if is(err, jobLost, gone) {
		return nil
	}
	return err
}

// campaign, adgroup, keyword and channel are what the /ncc lists say that
// names need.
type campaign struct {
	ID   text `json:"nccCampaignId"`
	Name text `json:"name"`
}

type adgroup struct {
	ID       text `json:"nccAdgroupId"`
	Campaign text `json:"nccCampaignId"`
	Name     text `json:"name"`
	Type     text `json:"adgroupType"`
}

type keyword struct {
	ID      text `json:"nccKeywordId"`
	Group   text `json:"nccAdgroupId"`
	Keyword text `json:"keyword"`
}

type channel struct {
	ID   text `json:"nccBusinessChannelId"`
	Name text `json:"name"`
}

// ad has its title in one of many places, by its type.
type ad struct {
	ID        text    `json:"nccAdId"`
	Group     text    `json:"nccAdgroupId"`
	Body      adTitle `json:"ad"`
	Reference adTitle `json:"referenceData"`
	Assets    assets  `json:"assets"`
}

// title is what people know the ad by; "" when it says nothing.
func (a ad) title() string {
	return string(first(a.Body.title, a.Assets.title, a.Reference.title))
}

// adTitle is an object of which only a title matters. Anything else has none.
type adTitle struct{ title text }

func (t *adTitle) UnmarshalJSON(b []byte) error {
	var o struct {
		Headline text `json:"headline"`
		Subject  text `json:"subject"`
		Title    text `json:"title"`
		Product  text `json:"productName"`
		Long     text `json:"productTitle"`
		Name     text `json:"name"`
	}
	if json.Unmarshal(b, &o) != nil {
		o.Headline = "" // some other shape
	}
	t.title = first(o.Headline, o.Subject, o.Title, o.Product, o.Long, o.Name)
	return nil
}

// assets are the parts of a responsive ad; the first of its titles is taken.
type assets struct{ title text }

func (a *assets) UnmarshalJSON(b []byte) error {
	type asset struct {
		Link text `json:"linkType"`
		Data struct {
			Text text `json:"text"`
		} `json:"assetData"`
	}
	a.title = ""
	all, _, err := decodeList[asset](b)
	if err != nil {
		return nil // some other shape
	}
	for _, x := range all {
		if x.Data.Text != "" && (x.Link == "TITLE" || x.Link == "HEADLINE" || x.Link == "1") {
			a.title = x.Data.Text
			return nil
		}
	}
	return nil
}

const nccPage = 1000 // the most that /ncc lists give at once

// pages reads a whole /ncc list, page by page.
func pages[T any](ctx context.Context, cl *client, w who, op, path string, id func(T) text) (all []T, err error) {
	base := ""
	for {
		q := url.Values{"recordSize": {strconv.Itoa(nccPage)}}
		if base != "" {
			q.Set("baseSearchId", base)
			q.Set("selector", "NEXT")
		}
		page, err := list[T](ctx, cl, w, call{op: op, method: http.MethodGet, path: path, query: q})
		if err != nil {
			return nil, err
		}
		all = append(all, page...)
		if len(page) < nccPage || string(id(page[len(page)-1])) == base {
			return all, nil
		}
		base = string(id(page[len(page)-1]))
	}
}

func (cl *client) campaigns(ctx context.Context, w who) ([]campaign, error) {
	return pages(ctx, cl, w, "ncc.campaigns", "/ncc/campaigns", func(c campaign) text { return c.ID })
}

func (cl *client) adgroups(ctx context.Context, w who) ([]adgroup, error) {
	return pages(ctx, cl, w, "ncc.adgroups", "/ncc/adgroups", func(g adgroup) text { return g.ID })
}

// byID reads the entities with these ids; deleted ones are left out.
func byID[T any](ctx context.Context, cl *client, w who, op, path string, ids []string) (all []T, err error) {
	for n := idsPerCall; len(ids) > 0; {
		some := ids[:min(n, len(ids))]
		part, err := list[T](ctx, cl, w, call{op: op, method: http.MethodGet, path: path, query: url.Values{"ids": {strings.Join(some, ",")}}})
		if is(err, tooLong) && n > 1 {
			n /= 2
			continue
		}
		if err != nil {
			return nil, err
		}
		all, ids = append(all, part...), ids[len(some):]
	}
	return all, nil
}

func (cl *client) keywords(ctx context.Context, w who, ids []string) ([]keyword, error) {
	return byID[keyword](ctx, cl, w, "ncc.keywords", "/ncc/keywords", ids)
}

func (cl *client) ads(ctx context.Context, w who, ids []string) ([]ad, error) {
	return byID[ad](ctx, cl, w, "ncc.ads", "/ncc/ads", ids)
}

func (cl *client) channels(ctx context.Context, w who) ([]channel, error) {
	return list[channel](ctx, cl, w, call{op: "ncc.channels", method: http.MethodGet, path: "/ncc/channels"})
}

// idsPerCall is how many ids one address carries. Naver names no bound; it is
// the length of the address, and a user met it above 200.
const idsPerCall = 100

// activity asks what happened in the campaigns in a period of at most 92 days.
func (cl *client) activity(ctx context.Context, w who, campaigns []string, from, to table.Day) (sum activity, err error) {
	period, err := json.Marshal(map[string]string{"since": from.String(), "until": to.String()})
	if err != nil {
		return sum, fmt.Errorf("encode a period: %w", err)
	}
	for n := idsPerCall; len(campaigns) > 0; {
		some := campaigns[:min(n, len(campaigns))]
		rows, err := list[activity](ctx, cl, w, call{op: "stats", method: http.MethodGet, path: "/stats", query: url.Values{
			"ids": {strings.Join(some, ",")}, "fields": {`["impCnt","clkCnt","ccnt"]`}, "timeRange": {string(period)},
		}}, "data")
		if is(err, tooLong) && n > 1 {
			n /= 2
			continue
		}
		if err != nil {
			return sum, err
		}
		for _, r := range rows {
			sum.Impressions += r.Impressions
			sum.Clicks += r.Clicks
			sum.Conversions += r.Conversions
		}
		campaigns = campaigns[len(some):]
	}
	return sum, nil
}
