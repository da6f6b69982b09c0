package report

import (
	"context"
	"slices"
	"testing"
	"time"

	"imreport/internal/db"
	"imreport/internal/db/dbtest"
	"imreport/internal/errs"
	"imreport/internal/i18n"
	"imreport/internal/table"
)

// now is 02:00 in Korea on 2026-11-25: in London it is still the day before.
var now = time.Date(2026, 11, 25, 2, 0, 0, 0, table.KST)

var types = []Type{{Name: "AD", DaysBack: 365}, {Name: "AD_DETAIL", DaysBack: 180}, {Name: "AD_CONVERSION_DETAIL", DaysBack: 45}}

func day(s string) *table.Day {
	d, err := table.ParseDay(s)
	if err != nil {
		panic(err)
	}
	return &d
}

func good() Input {
	return Input{Name: " 일간 보고서 ", AccountID: "a1", Reports: []string{"AD"}, Period: Period{LastDays: 7}, Destination: Destination{Type: XLSX}}
}

// kept is an archive that keeps everything since a day.
type kept table.Day

func (k kept) Missing(_ context.Context, _, _ string, from, to table.Day) (table.Day, bool, error) {
	if from < table.Day(k) {
		return from, true, nil
	}
	return 0, false, nil
}

func TestCheck(t *testing.T) {
	for name, c := range map[string]struct {
		change func(in *Input)
		want   []string // FIELD CODE
	}{
		"good":              {func(*Input) {}, nil},
		"no_name":           {func(in *Input) { in.Name = " " }, []string{"name required"}},
		"no_account":        {func(in *Input) { in.AccountID = "" }, []string{"ad_account_id required"}},
		"no_reports":        {func(in *Input) { in.Reports = nil }, []string{"reports required"}},
		"unknown_report":    {func(in *Input) { in.Reports = []string{"ADX"} }, []string{"reports unknown_report_type"}},
		"report_twice":      {func(in *Input) { in.Reports = []string{"AD", "AD"} }, []string{"reports duplicate"}},
		"no_period":         {func(in *Input) { in.Period = Period{} }, []string{"period required"}},
		"both_periods":      {func(in *Input) { in.Period = Period{LastDays: 3, From: day("2026-11-01")} }, []string{"period ambiguous"}},
		"too_many_days":     {func(in *Input) { in.Period = Period{LastDays: 731} }, []string{"period.last_days out_of_range"}},
		"no_from":           {func(in *Input) { in.Period = Period{To: day("2026-11-01")} }, []string{"period.from required"}},
		"no_to":             {func(in *Input) { in.Period = Period{From: day("2026-11-01")} }, []string{"period.to required"}},
		"backwards":         {func(in *Input) { in.Period = Period{From: day("2026-11-02"), To: day("2026-11-01")} }, []string{"period backwards"}},
		"yesterday":         {func(in *Input) { in.Period = Period{From: day("2026-11-24"), To: day("2026-11-24")} }, nil},
		"today_in_korea":    {func(in *Input) { in.Period = Period{From: day("2026-11-24"), To: day("2026-11-25")} }, []string{"period.to period_unavailable"}},
		"future":            {func(in *Input) { in.Period = Period{From: day("2026-11-24"), To: day("2026-12-25")} }, []string{"period.to period_unavailable"}},
		"first_day_there":   {func(in *Input) { in.Period = Period{From: day("2025-11-25"), To: day("2025-11-30")} }, nil},
		"a_day_too_old":     {func(in *Input) { in.Period = Period{From: day("2025-11-24"), To: day("2025-11-30")} }, []string{"period.from period_unavailable"}},
		"old_for_one_type":  {func(in *Input) { in.Reports, in.Period = []string{"AD", "AD_CONVERSION_DETAIL"}, Period{LastDays: 46} }, []string{"period.last_days period_unavailable"}},
		"no_destination":    {func(in *Input) { in.Destination = Destination{} }, []string{"destination.type required"}},
		"google_sheets":     {func(in *Input) { in.Destination.Type = "google_sheets" }, []string{"destination.type not_available"}},
		"other_destination": {func(in *Input) { in.Destination.Type = "fax" }, []string{"destination.type unknown_destination"}},
		"schedule":          {func(in *Input) { in.Schedule = &Schedule{} }, nil},
		"bad_schedule":      {func(in *Input) { in.Schedule = &Schedule{DailyAt: "7:30", Mode: "soon", Zone: "Mars/Base"} }, []string{"schedule.daily_at time_invalid", "schedule.mode mode_invalid", "schedule.zone zone_invalid"}},
		"all_at_once":       {func(in *Input) { *in = Input{} }, []string{"name required", "ad_account_id required", "reports required", "period required", "destination.type required"}},
	} {
		t.Run(name, func(t *testing.T) {
			in := good()
			c.change(&in)
			err := New(nil, Options{Types: types}).Check(t.Context(), "w", &in, now)
			var got []string
			if e := errs.As(err); e != nil {
				if e.Kind != errs.Invalid {
					t.Errorf("kind %v", e.Kind)
				}
				for _, f := range e.Fields {
					got = append(got, f.Name+" "+f.Code())
					for _, l := range i18n.Langs {
						if s := i18n.T(l, f.Key, f.Args...); s == f.Key || slices.Contains([]rune(s), '{') {
							t.Errorf("%s reads %q in %s", f.Key, s, l)
						}
					}
				}
			} else if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
			if err == nil && in.Name != "일간 보고서" {
				t.Errorf("the name is %q", in.Name)
			}
		})
	}
}

// What the platform does not give any more is allowed as far as it is kept.
func TestOldDaysThatAreKeptAreAllowed(t *testing.T) {
	in := good()
	in.Period = Period{From: day("2025-06-01"), To: day("2026-11-24")}
	for since, ok := range map[string]bool{"2025-06-01": true, "2025-06-02": false} {
		err := New(nil, Options{Types: types, Archived: kept(*day(since))}).Check(t.Context(), "w", &in, now)
		if ok != (err == nil) {
			t.Errorf("kept since %s: %v", since, err)
		}
	}
}

func TestTheDefinitionIsFrozenInKoreanDays(t *testing.T) {
	rd := RawData{Name: "n", AccountID: "a", Reports: []string{"AD"}, Period: Period{LastDays: 3}, Destination: Destination{Type: XLSX}}
	def := rd.Freeze(now.UTC())
	if def.From.String() != "2026-11-22" || def.To.String() != "2026-11-24" || def.Pieces() != 3 {
		t.Errorf("%s to %s, %d pieces", def.From, def.To, def.Pieces())
	}
	rd.Reports[0] = "AD_DETAIL"
	if def.Reports[0] != "AD" {
		t.Error("the frozen definition changes with the raw data")
	}
	paused := RawData{Paused: true, PausedUntil: now}
	if !paused.IsPaused(now.Add(-time.Second)) || paused.IsPaused(now) {
		t.Error("a pause ends at its instant")
	}
}

func TestStore(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		ctx := t.Context()
		_, err := d.Exec(ctx, `INSERT INTO workspace (id, name, zone, lang, created_us) VALUES ('w', 'W', 'Asia/Seoul', 'ko', 1), ('x', 'X', 'Asia/Seoul', 'ko', 1)`)
		if err != nil {
			t.Fatal(err)
		}
		s := New(d, Options{Types: types, Zone: func(context.Context, string) (string, error) { return "Asia/Tokyo", nil }})
		in := good()
		in.Schedule = &Schedule{}
		if err := s.Check(ctx, "w", &in, now); err != nil {
			t.Fatal(err)
		}
		var rd RawData
		err = d.InTx(ctx, func(tx *db.Tx) error {
			rd, err = s.Insert(ctx, tx, "w", "p", in, now)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.Get(ctx, nil, "w", rd.ID)
		if err != nil || got.Name != "일간 보고서" || got.Period.LastDays != 7 || *got.Schedule != (Schedule{"07:30", ReadyBy, "Asia/Tokyo"}) || !got.CreatedAt.Equal(now) {
			t.Fatalf("%+v %v", got, err)
		}
		if _, err := s.Get(ctx, nil, "x", rd.ID); !errs.Is(err, "report.not_found") {
			t.Errorf("another workspace sees it: %v", err)
		}
		if _, err := s.Update(ctx, "w", rd.ID, func(in *Input) { in.AccountID = "other" }, now); !errs.Is(err, "report.account.fixed") {
			t.Errorf("another account: %v", err)
		}
		if _, err := s.Update(ctx, "x", rd.ID, func(in *Input) { in.Name = "theirs" }, now); !errs.Is(err, "report.not_found") {
			t.Errorf("another workspace changes it: %v", err)
		}
		// Two change different things at once: none of it is lost.
		calls := 0
		both, err := s.Update(ctx, "w", rd.ID, func(in *Input) {
			if calls++; calls == 1 {
				if _, err := s.Update(ctx, "w", rd.ID, func(in *Input) { in.Period.LastDays = 3 }, now.Add(time.Minute)); err != nil {
					t.Error(err)
				}
			}
			in.Name = "둘이서"
		}, now.Add(2*time.Minute))
		if err != nil || calls != 2 || both.Name != "둘이서" || both.Period.LastDays != 3 {
			t.Errorf("two at once: %d calls, %+v, %v", calls, both, err)
		}
		got, err = s.Update(ctx, "w", rd.ID, func(in *Input) { in.Name, in.Schedule = "새 이름", nil }, now.Add(time.Hour))
		if err != nil || got.Name != "새 이름" || got.Schedule != nil || !got.UpdatedAt.Equal(now.Add(time.Hour)) {
			t.Errorf("%+v %v", got, err)
		}
		if all, err := s.List(ctx, "w", "", 10); err != nil || len(all) != 1 {
			t.Errorf("%d listed: %v", len(all), err)
		}
		if n, err := s.OfAccount(ctx, d, "a1"); err != nil || n != 1 {
			t.Errorf("%d of the account: %v", n, err)
		}
		if err := s.Opened(ctx, got, now.Add(2*time.Hour)); err != nil {
			t.Error(err)
		}
		err = d.InTx(ctx, func(tx *db.Tx) error { return s.MarkDeleted(ctx, tx, "w", rd.ID, now) })
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Get(ctx, nil, "w", rd.ID); !errs.Is(err, "report.not_found") {
			t.Errorf("after delete: %v", err)
		}
		if n, err := s.OfAccount(ctx, d, "a1"); err != nil || n != 0 {
			t.Errorf("after delete %d of the account: %v", n, err)
		}
	})
}
