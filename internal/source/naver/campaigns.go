package naver

import (
	"context"
	"strings"

	"imreport/internal/table"
)

// activity asks /stats what happened in the account's campaigns, and says how
// many requests that took. The caller holds asking.
func (c *collector) activity(ctx context.Context, from, to table.Day) (a activity, calls int, err error) {
	stored := false
	if c.campaigns == nil && c.o.Routine {
		if c.campaigns, err = c.s.knownCampaigns(ctx, c.o.CustomerID, c.today); err != nil {
			return a, 0, err
		}
		stored = c.campaigns != nil
	}
	if c.campaigns == nil {
		calls++
		if err := c.readCampaigns(ctx); err != nil {
			return a, calls, err
		}
	}
	a, err = c.s.client.activity(ctx, c.w, c.campaigns, from, to)
	calls += (len(c.campaigns) + idsPerCall - 1) / idsPerCall
	if stored && is(err, gone, badRequest) { // one of them was deleted meanwhile
		calls++
		if err := c.readCampaigns(ctx); err != nil {
			return a, calls, err
		}
		a, err = c.s.client.activity(ctx, c.w, c.campaigns, from, to)
	}
	return a, calls, err
}

// knownCampaigns are the ids of the customer's campaigns as a morning before
// has read them; nil when that is too long ago or there were none. A list
// serves as many mornings as a day is fetched anew on (Options.RefetchDays):
// so each day is asked for at least once by a list that is newer than the day,
// and a campaign that was made meanwhile is missed on two mornings at most.
func (s *Source) knownCampaigns(ctx context.Context, customer string, today table.Day) (ids []string, err error) {
	snap, err := s.names(ctx, customer, isCampaign)
	if err != nil || today-snap.names.lists[itemCampaign].read >= table.Day(s.o.RefetchDays) {
		return nil, err
	}
	for id, e := range snap.names.of {
		if !e.gone && e.name != "" { // without a name: rows speak of it, Naver knows it no more
			ids = append(ids, id)
		}
	}
	return ids, nil
}

func isCampaign(id string) bool { return strings.HasPrefix(id, masterItems[itemCampaign].prefix) }

// readCampaigns reads the ids of all campaigns.
func (c *collector) readCampaigns(ctx context.Context) error {
	all, err := c.s.client.campaigns(ctx, c.w)
	if err != nil {
		return err
	}
	c.campaigns = make([]string, 0, len(all))
	for _, x := range all {
		if x.ID != "" {
			c.campaigns = append(c.campaigns, string(x.ID))
		}
	}
	c.listed = all
	return nil
}

// keepCampaigns stores the list of campaigns that was read, for the mornings
// to come: an idle account reads no other lists.
func (c *collector) keepCampaigns(ctx context.Context) error {
	if c.listed == nil {
		return nil
	}
	leave, _, err := c.s.flights.enter(ctx, piece{customer: c.o.CustomerID, report: namesReport}, c.o.Flow)
	if err != nil {
		return err
	}
	defer leave()
	snap, err := c.s.names(ctx, c.o.CustomerID, nil)
	if err != nil {
		return err
	}
	snap.names.takeCampaigns(c.listed, c.today)
	return c.s.saveNames(ctx, c.o.CustomerID, &snap, c.o.Guard)
}

// takeCampaigns learns a list of all campaigns: those that are not in it do
// not exist any more.
func (n *names) takeCampaigns(all []campaign, today table.Day) {
	there := map[string]bool{}
	for _, x := range all {
		there[string(x.ID)] = true
		n.learn(entry{id: string(x.ID), name: string(x.Name)})
	}
	for id, e := range n.of {
		if isCampaign(id) && !there[id] {
			e.gone = true
			n.of[id] = e
		}
	}
	l := n.lists[itemCampaign]
	l.read = today
	n.lists[itemCampaign] = l
}
