// Package naver collects reports from Naver Search Ads (네이버 검색광고): it
// signs and paces requests, makes and downloads the daily stat reports, gives
// names to ids, and reads the archive back as tables.
//
// What the platform does, and where each number here comes from, stands in
// docs/naver.md.
package naver
