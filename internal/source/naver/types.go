package naver

import (
	"slices"

	"imreport/internal/account"
	"imreport/internal/report"
	"imreport/internal/table"
)

// Platform is the platform that this package collects from.
const Platform = account.NaverSearchAd

// form is what a field of a report looks like. A row with too many fields is
// put right by the forms of its neighbours.
type form int8

const (
	formDate     form = iota // 20060102
	formCustomer             // digits
	formCampaign             // cmp-…
	formGroup                // grp-…
	formKeyword              // nkw-… or -
	formAd                   // nad-… or -
	formChannel              // bsn-… or -
	formID                   // any id of letters, digits, -, _ and ~
	formText                 // what somebody typed: anything
	formHour                 // 00 … 23
	formRegion               // two characters
	formCode                 // digits or -
	formDevice               // P or M
	formType                 // conversion type: a word or a digit
	formInt                  // whole number
	formCost                 // number, whole or with decimals
	formFlag                 // a short number or true and false, or nothing
	formTime                 // ISO 8601, or nothing
	formOptional             // bsn-… or nothing
	formAny                  // anything, but never with a tab in it
)

// kindOf is the type of a form's column in the archive.
func (f form) kind() table.Kind {
	switch f {
	case formDate:
		return table.Date
	case formText, formDevice, formType:
		return table.Text
	case formHour, formInt:
		return table.Int
	case formCost:
		return table.Money
	}
	return table.ID
}

// field is one column of a report file.
type field struct {
	name string
	form form
}

// The columns that report files are made of (doc of 2026-01-06).
var (
	fDate     = field{"date", formDate}
	fCustomer = field{"customer_id", formCustomer}
	fCampaign = field{"campaign_id", formCampaign}
	fGroup    = field{"adgroup_id", formGroup}
	fKeyword  = field{"keyword_id", formKeyword}
	fAd       = field{"ad_id", formAd}
	fChannel  = field{"channel_id", formChannel}
	fTerm     = field{"search_term", formText}
	fExt      = field{"adextension_id", formID}
	fExtBsn   = field{"ext_channel_id", formChannel}
	fProduct  = field{"product_id", formID}
	fCrit     = field{"criterion_id", formID}
	fHour     = field{"hour", formHour}
	fRegion   = field{"region", formRegion}
	fMedia    = field{"media", formCode}
	fDevice   = field{"device", formDevice}
	fSearch   = field{"search_type", formCode}
	fImp      = field{"impressions", formInt}
	fClk      = field{"clicks", formInt}
	fCost     = field{"cost", formCost}
	fRank     = field{"rank_sum", formInt}
	fView     = field{"views", formInt}
	fMethod   = field{"conversion_method", formCode}
	fType     = field{"conversion_type", formType}
	fCount    = field{"conversions", formInt}
	fSales    = field{"conversion_value", formCost}
)

// reportType is one kind of stat report.
type reportType struct {
	name     string
	daysBack int // how many days before today Naver gives (maintainers, 2019, 2025, 2026)
	fields   []field
	told     told // what /stats says of it
}

// told is which number of /stats the sum of a type is to be. Search terms,
// extensions, products and criteria have none: rows without a term are left
// out, and what has several extensions or criteria counts in each (docs/naver.md).
type told int8

const (
	toldNothing told = iota
	toldImpressions
	toldConversions
)

// column is the column whose sum /stats tells; "" for toldNothing.
func (t told) column() string {
	return [...]string{toldNothing: "", toldImpressions: "impressions", toldConversions: "conversions"}[t]
}

// of is the number of /stats.
func (t told) of(a activity) int64 {
	return int64([...]number{toldNothing: 0, toldImpressions: a.Impressions, toldConversions: a.Conversions}[t])
}

// contradicts reports whether a sum is too small to be whole by /stats, which
// may be some minutes newer: less than partOf of it, by more than one.
func (t told) contradicts(sum int64, a activity) bool {
	return float64(sum)+1 < partOf*float64(t.of(a))
}

// toldTypes are the types whose sums /stats tells.
func toldTypes() (names []string) {
	for _, t := range reportTypes {
		if t.told != toldNothing {
			names = append(names, t.name)
		}
	}
	return names
}

func join(lists ...[]field) (all []field) {
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}

var (
	entity  = []field{fDate, fCustomer, fCampaign, fGroup, fKeyword, fAd, fChannel}
	ranked  = []field{fImp, fClk, fCost, fRank, fView}
	viewed  = []field{fImp, fClk, fCost, fView}
	convert = []field{fMethod, fType, fCount, fSales}
	detail  = []field{fHour, fRegion, fMedia, fDevice}
	brief   = []field{fMedia, fDevice}
	exts    = []field{fDate, fCustomer, fCampaign, fGroup, fKeyword, fAd, fExt, fExtBsn}
	terms   = []field{fDate, fCustomer, fCampaign, fGroup, fTerm, fAd, fChannel}
	brands  = []field{fDate, fCustomer, fCampaign, fGroup, fProduct, fChannel}
)

// reportTypes are the 13 kinds that Naver still makes, as people read them.
var reportTypes = []reportType{
	{"AD", 365, join(entity, brief, ranked), toldImpressions},
	{"AD_DETAIL", 180, join(entity, detail, ranked), toldImpressions},
	{"AD_CONVERSION", 365, join(entity, brief, convert), toldConversions},
	{"AD_CONVERSION_DETAIL", 45, join(entity, detail, convert), toldConversions},
	{"ADEXTENSION", 365, join(exts, brief, ranked), toldNothing},
	{"ADEXTENSION_CONVERSION", 365, join(exts, brief, convert), toldNothing},
	{"EXPKEYWORD", 365, join([]field{fDate, fCustomer, fCampaign, fGroup, fTerm}, brief, []field{fSearch}, viewed), toldNothing},
	{"SHOPPINGKEYWORD_DETAIL", 180, join(terms, detail, ranked), toldNothing},
	{"SHOPPINGKEYWORD_CONVERSION_DETAIL", 45, join(terms, detail, convert), toldNothing},
	{"SHOPPINGBRANDPRODUCT", 365, join(brands, brief, viewed), toldNothing},
	{"SHOPPINGBRANDPRODUCT_CONVERSION", 365, join(brands, brief, convert), toldNothing},
	{"CRITERION", 365, []field{fDate, fCustomer, fCrit, fDevice, fImp, fClk, fCost}, toldNothing},
	{"CRITERION_CONVERSION", 365, []field{fDate, fCustomer, fCrit, fDevice, fMethod, fType, fCount, fSales}, toldNothing},
}

func typeOf(name string) (reportType, bool) {
	i := slices.IndexFunc(reportTypes, func(t reportType) bool { return t.name == name })
	if i < 0 {
		return reportType{}, false
	}
	return reportTypes[i], true
}

// has reports whether files of the type have the column.
func (t reportType) has(name string) bool {
	return slices.ContainsFunc(t.fields, func(f field) bool { return f.name == name })
}

// conversions reports whether the type tells conversions, which come without
// impressions too.
func (t reportType) conversions() bool { return t.has("conversions") }

// schema is the columns of the type's pieces, with n columns that Naver has
// added and that have no name yet.
func (t reportType) schema(unknown int) table.Schema {
	s := make(table.Schema, 0, len(t.fields)+unknown)
	for _, f := range t.fields {
		s = append(s, table.Column{Name: f.name, Kind: f.form.kind()})
	}
	for i := range unknown {
		s = append(s, table.Column{Name: unknownName(i), Kind: table.Text})
	}
	return s
}

// Type is a report type as people choose it.
type Type struct {
	report.Type
	// Label is the key of its name, Hint that of a sentence on what is in it.
	Label, Hint string
}

// Reports are the report types that Naver makes, in the order in which people
// should see them.
func Reports() []Type {
	all := make([]Type, 0, len(reportTypes))
	for _, t := range reportTypes {
		all = append(all, Type{
			Type:  report.Type{Name: t.name, DaysBack: t.daysBack},
			Label: "naver.report." + t.name, Hint: "naver.report." + t.name + ".hint",
		})
	}
	return all
}

// Types is Reports as package report wants them.
func Types() []report.Type {
	all := make([]report.Type, 0, len(reportTypes))
	for _, t := range reportTypes {
		all = append(all, report.Type{Name: t.name, DaysBack: t.daysBack})
	}
	return all
}
