// Package naver imitates the Naver Search Ads API, as strict as the vendor. It
// is written from the vendor's documents and the threads of its issue list
// (naver-searchad.md, "the fact sheet"), not from our client, so that a
// misreading there meets a server that disagrees.
//
//	sim := naver.New(naver.Options{Seed: 1, Profile: "strict", Now: clock})
//	srv := httptest.NewServer(sim)
//	client := ours.New(srv.URL, naver.DefaultLicense, naver.DefaultSecret)
//
// It may also be called in process, sim.ServeHTTP(recorder, request); then a
// broken connection is the panic http.ErrAbortHandler.
//
// # Data
//
// Everything follows from the seed, again each time it is asked for; nothing
// is stored. A day of one keyword or ad in one media on one device is a row (a
// line of AD); all other reports, /stats and the money calls are derived from
// rows, so that they agree by the documented rules: AD_DETAIL splits rows by
// hour and region; search-term reports lack the rows without a term; Cost is
// without VAT before 2026-03-30 and with it from then; clkCnt is Click + View;
// salesAmt has VAT on all days. Truth tells the rows of a report field by
// field, TruthMaster those of a master. Entities are made, edited and deleted
// over the years 2022 to 2028, so that any clock in between finds some that
// went lately; Delete and Rename do it on demand. The second of each four
// accounts has names with a tab and names like formulas; every account with
// shopping has a search term with a lone quote; the last of each twenty is
// quiet and ends as NONE, as do the two manager accounts' own ids.
//
// # Time
//
// Options.Now is the clock of everything but a "hang". A job's state follows
// from it; a day is published by SetReady, SetPublished or the plan (ReadyAt,
// LateShare). The profile decides the limits (ProfileLimits, SetLimits):
// "calm" none, "perlicence", "documented", "strict", and "storm", which is
// strict with an incident at the first report and nothing ready before 08:00.
// Limits are judged in the order ip, licence, cust, ip.kwtool, cust.report,
// cust.kwtool; the first full one refuses. A call that auth refuses counts at
// its address only.
//
// # What can go wrong
//
// See Fault for what strikes one call or one job. Besides there are
// SetMaintenance (503), SetSkew (the server's clock), RotateSecret,
// RevokeLicense, Forbid, Changed, SetMasterStuck, SetStatsLag, Incident.
//
// # Admin calls
//
// Under /_sim/, without auth and without limits, JSON both ways; errors are
// {"error": words} with 400 or 404:
//
//	GET  /_sim/              a page for people: late morning, maintenance, limits
//	GET  /_sim/status        clock, profile, licence, is yesterday published
//	GET  /_sim/metrics       Metrics
//	GET  /_sim/customers     [Customer]
//	GET  /_sim/limits        Limits; POST sets them
//	GET  /_sim/faults        {items: [Fault], kinds}; POST adds a Fault, answers {id}
//	POST /_sim/clearfaults   {fault?} ends one or all
//	POST /_sim/truth         {customer, report, day} Truth; {customer, item} rows of a master
//	POST /_sim/ready         {day, report?, at?} at: RFC 3339, none is never
//	POST /_sim/published     {on} false holds yesterday back
//	POST /_sim/changed       {customer, report?, day} restates; {jobs}
//	POST /_sim/license       {license, secret, customers?} adds a key
//	POST /_sim/rotate        {license?} new secret; {secret}
//	POST /_sim/revoke        {license?}
//	POST /_sim/forbid        {customer, on}
//	POST /_sim/delete        {customer, id}
//	POST /_sim/rename        {customer, id, name}
//	POST /_sim/maintenance   {on}
//	POST /_sim/skew          {seconds}
//	POST /_sim/statslag      {seconds}
//	POST /_sim/masterstuck   {customer, extra}
//	POST /_sim/incident      {factor?, seconds}
//	POST /_sim/resetmetrics  {}
//
// # Where the documents are silent
//
// Guesses of ours, not to be relied on: 404 for code 20011; a timestamp too
// far ahead is refused like an old one; /ad-accounts and /manager-accounts need
// no X-Customer, which they are there to find; POSTs answer 200 and 201 in turn;
// deltas of Media, Biz and SeasonalEvent are refused; columns of PlaceAd and
// AdQi; /stats drops deleted entities from ids and refuses a single deleted id
// with 1018; master jobs are kept until they are deleted.
package naver
