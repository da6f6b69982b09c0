package naver

import (
	"context"
	"slices"
	"time"

	"imreport/internal/archive"
	"imreport/internal/table"
)

const (
	// deltaMost is how far back Naver tells what was changed or deleted: 730
	// days (maintainers, 2019), less one for our clock.
	deltaMost = 729 * 24 * time.Hour
	// byIDMost ids of one kind are asked for one by one, 100 to a call; for
	// more of them a list is cheaper.
	byIDMost = 500
)

// readDaily reads, once per Korean day and customer, what has changed in the
// lists that every report's names come from. That a list cannot be read is no
// reason to fail: names come later.
func (c *collector) readDaily(ctx context.Context) error {
	daily, _ := itemsFor(c.o.Reports)
	leave, err := c.holdNames(ctx)
	if err != nil {
		return err
	}
	defer leave()
	known, err := c.s.names(ctx, c.o.CustomerID, func(string) bool { return false })
	if err != nil {
		return err
	}
	c.scanned = known.at
	var all []*asking
	for _, item := range daily {
		switch l := known.names.lists[item]; {
		case c.s.o.Forgo.DailyLists:
			all = append(all, &asking{item: masterItems[item]})
		case l.read < c.today:
			all = append(all, &asking{item: masterItems[item], since: c.deltaFrom(l)})
		}
	}
	if len(all) == 0 {
		return nil
	}
	c.listsRead = len(all)
	c.s.namedBy.Store(c.o.CustomerID, c.o.RunID)
	if err := c.readLists(ctx, all); err != nil {
		return err
	}
	if c.snap, err = c.s.names(ctx, c.o.CustomerID, nil); err != nil {
		return err
	}
	for _, a := range all {
		if a.err != nil {
			if err := c.fallBack(ctx, a); err != nil {
				return err
			}
			continue
		}
		c.take(a)
	}
	err = c.save(ctx)
	c.snap = snapshot{} // thousands of names are not held while reports are made
	return err
}

// deltaFrom is since when a list is to be read: zero for all of it.
func (c *collector) deltaFrom(l listState) time.Time {
	if l.since.IsZero() || c.s.client.clock.real().Sub(l.since) >= deltaMost {
		return time.Time{}
	}
	return l.since
}

// holdNames lets one collecting of the process work on the customer's names.
// They are read after it: another may have stored some while it waited.
func (c *collector) holdNames(ctx context.Context) (leave func(), err error) {
	leave, _, err = c.s.flights.enter(ctx, piece{customer: c.o.CustomerID, report: namesReport}, c.o.Flow)
	return leave, err
}

// take learns what a list says.
func (c *collector) take(a *asking) {
	n := c.snap.names
	for _, e := range a.entries {
		n.learn(e)
	}
	l := n.lists[a.item.name]
	switch {
	case a.deep: // it says nothing of what was not touched for two years
		l.deep = true
	default:
		l.read = c.today
		if a.item.delta && !a.updated.IsZero() {
			l.since = a.updated
		}
	}
	n.lists[a.item.name] = l
	c.named = true
}

// fallBack reads the names from the /ncc lists when the list of entities
// cannot be had: Naver's count of 100 jobs is stuck now and then, and only
// they can repair it. The next delta begins where the last one ended.
func (c *collector) fallBack(ctx context.Context, a *asking) error {
	c.s.o.Log.InfoContext(ctx, "a list of entities could not be read, the slower lists are", "item", a.item.name, "customer", c.o.CustomerID, "error", a.err)
	var entries []entry
	var err error
	switch a.item.name {
	case itemCampaign:
		var all []campaign
		all, err = c.s.client.campaigns(ctx, c.w)
		for _, x := range all {
			entries = append(entries, entry{id: string(x.ID), name: string(x.Name)})
		}
	case itemGroup:
		var all []adgroup
		all, err = c.s.client.adgroups(ctx, c.w)
		for _, x := range all {
			entries = append(entries, entry{id: string(x.ID), name: string(x.Name), parent: string(x.Campaign)})
		}
	default:
		return nil // what is missing is asked for by id
	}
	if err != nil {
		if fatal(err) {
			return err
		}
		c.s.o.Log.InfoContext(ctx, "names come later", "item", a.item.name, "customer", c.o.CustomerID, "error", err)
		return nil
	}
	for _, e := range entries {
		c.snap.names.learn(e)
	}
	l := c.snap.names.lists[a.item.name]
	l.read = c.today
	c.snap.names.lists[a.item.name] = l
	c.named = true
	return nil
}

// finishNames names the ids of the rows that have none yet, as far as Naver
// still tells: entities that were deleted before we first looked, and what is
// not in the daily lists. An id that was asked for in vain is not asked for
// again.
func (c *collector) finishNames(ctx context.Context, pl plan) error {
	if err := c.scan(ctx, pl.have); err != nil {
		return err
	}
	leave, err := c.holdNames(ctx)
	if err != nil {
		return err
	}
	defer leave()
	if c.snap, err = c.s.names(ctx, c.o.CustomerID, nil); err != nil {
		return err
	}
	if err := c.nameAll(ctx); err != nil {
		return err
	}
	// Stored anew also without news: what came before it was looked at for ids.
	if !c.named && len(c.fetched) == 0 {
		return nil
	}
	return c.save(ctx)
}

// scan looks for ids in stored pieces that came after the names were last
// stored: their collecting ended before it could name them.
func (c *collector) scan(ctx context.Context, have []archive.Piece) error {
	for _, p := range have {
		c.mu.Lock()
		mine := c.fetched[piece{p.CustomerID, p.Report, p.Day}]
		c.mu.Unlock()
		if mine || p.Rows == 0 || p.StoredAt.Before(c.scanned) {
			continue
		}
		schema := table.Schema{}
		for _, col := range p.Schema {
			if itemOf(col.Name) != "" {
				schema = append(schema, col)
			}
		}
		r, err := c.s.o.Archive.Rows(ctx, p, schema)
		if err == nil {
			see := c.seen.reader(schema)
			err = drain(r, func(row table.Row) error { see(row); return nil })
			_ = r.Close() // it was only read
		}
		if err != nil {
			return c.s.readable(ctx, p, err)
		}
	}
	return nil
}

// unnamed are the ids of a list that nothing is known of.
func (c *collector) unnamed(item string) []string {
	return slices.DeleteFunc(c.seen.of(item), func(id string) bool {
		_, known := c.snap.names.of[id]
		return known
	})
}

// nameAll names the ids that have no name, the cheapest way first: by id, then
// by the lists of what exists, then by those of what was deleted. The lists of
// a round are read together.
func (c *collector) nameAll(ctx context.Context) error {
	items := []string{itemCampaign, itemGroup, itemKeyword, itemChannel, itemMedia, itemAd, itemCriterion}
	exist := map[string]bool{} // all that exists was asked for
	for _, item := range items {
		missing := c.unnamed(item)
		if len(missing) == 0 {
			continue
		}
		asked, err := c.nameByID(ctx, item, missing)
		if err != nil {
			return err
		}
		exist[item] = asked
	}
	vain := map[string]bool{} // a list that could not be read leaves it open
	for _, deep := range []bool{false, true} {
		var all []*asking
		for _, item := range items {
			missing := c.unnamed(item)
			if len(missing) == 0 {
				continue
			}
			for _, m := range listsOf(item, missing) {
				l := c.snap.names.lists[m.name]
				a := &asking{item: m, of: item, deep: deep}
				switch {
				case deep && m.delta && !l.deep:
					// What is left was deleted: of that Naver tells for two years.
					a.since = c.s.client.clock.real().Add(-deltaMost)
				case !deep && !exist[item] && l.read < c.today:
					a.since = c.deltaFrom(l)
				default:
					continue
				}
				all = append(all, a)
			}
		}
		if len(all) == 0 {
			continue
		}
		if err := c.readLists(ctx, all); err != nil {
			return err
		}
		for _, a := range all {
			if is(a.err, badRequest) { // a list that Naver does not make any more
				a.err, a.entries = nil, nil
			}
			if a.err != nil {
				vain[a.of] = true
				c.s.o.Log.InfoContext(ctx, "names come later", "item", a.item.name, "customer", c.o.CustomerID, "error", a.err)
				continue
			}
			c.take(a)
		}
	}
	for _, item := range items {
		// A daily list that could not be read today leaves it open as well.
		if vain[item] || !exist[item] && !slices.ContainsFunc(listsOf(item, c.unnamed(item)), func(m masterItem) bool { return c.snap.names.lists[m.name].read == c.today }) {
			continue
		}
		for _, id := range c.unnamed(item) {
			c.snap.names.learn(entry{id: id})
			c.named = true
		}
	}
	return nil
}

// nameByID asks the /ncc lists where one call names many ids. asked says that
// they have answered for all.
func (c *collector) nameByID(ctx context.Context, item string, missing []string) (asked bool, err error) {
	var entries []entry
	switch {
	case item == itemChannel:
		var all []channel
		all, err = c.s.client.channels(ctx, c.w)
		for _, x := range all {
			entries = append(entries, entry{id: string(x.ID), name: string(x.Name)})
		}
	case item == itemKeyword && c.snap.names.lists[itemKeyword].read < c.today:
		// The daily list could not be had.
		var all []keyword
		all, err = c.s.client.keywords(ctx, c.w, missing)
		for _, x := range all {
			entries = append(entries, entry{id: string(x.ID), name: string(x.Keyword), parent: string(x.Group)})
		}
	case item == itemAd && len(missing) <= byIDMost:
		var all []ad
		all, err = c.s.client.ads(ctx, c.w, missing)
		for _, x := range all {
			entries = append(entries, entry{id: string(x.ID), name: x.title(), parent: string(x.Group)})
		}
	default:
		return c.snap.names.lists[item].read == c.today, nil
	}
	if err != nil {
		if fatal(err) {
			return false, err
		}
		c.s.o.Log.InfoContext(ctx, "names come later", "item", item, "customer", c.o.CustomerID, "error", err)
		return false, nil
	}
	for _, e := range entries {
		c.snap.names.learn(e)
	}
	c.named = c.named || len(entries) > 0
	return true, nil
}

// save stores the names.
func (c *collector) save(ctx context.Context) error {
	if err := c.s.saveNames(ctx, c.o.CustomerID, &c.snap, c.o.Guard); err != nil {
		return err
	}
	c.named = false
	return nil
}
