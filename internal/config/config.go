// Package config is the one struct of settings. Flags override the
// environment, the environment overrides the YAML file of --config, and
// without any of them everything just runs.
package config

import (
	"log/slog"
	"os"
	"time"
)

// Store is where a process keeps things: what commands beside a server need
// as well.
type Store struct {
	Data        string `name:"data" env:"IMREPORT_DATA" default:"imreport-data" help:"Data folder: SQLite, archive, spreadsheets, keys."`
	DatabaseURL string `name:"database" env:"IMREPORT_DATABASE_URL" help:"postgres://… ; empty means SQLite in the data folder."`
	SecretKey   string `name:"secret-key" env:"IMREPORT_SECRET_KEY" help:"Base64, 32 bytes; seals secrets. Made and kept in the data folder when absent on SQLite; required on PostgreSQL."`
}

// Config is every setting of a process. The tags are read by kong (package
// cmd); names in the YAML file are those of the flags.
type Config struct {
	Store

	Addr       string `name:"addr" env:"IMREPORT_ADDR" default:":8080" help:"Address to listen on."`
	PublicURL  string `name:"public-url" env:"IMREPORT_PUBLIC_URL" help:"Address by which people reach this server; links are built from it."`
	AdminToken string `name:"admin-token" env:"IMREPORT_ADMIN_TOKEN" help:"API token of the first workspace's owner, made at start."`

	NaverURL        string `name:"naver-url" env:"IMREPORT_NAVER_URL" default:"https://api.searchad.naver.com" help:"Naver Search Ads API."`
	GoogleSheetsURL string `name:"google-sheets-url" env:"IMREPORT_GOOGLE_SHEETS_URL" help:"Google Sheets API." hidden:""`
	GoogleDriveURL  string `name:"google-drive-url" env:"IMREPORT_GOOGLE_DRIVE_URL" help:"Google Drive API." hidden:""`
	ShopifyURL      string `name:"shopify-url" env:"IMREPORT_SHOPIFY_URL" help:"Shopify Admin API, with {shop} for the domain; empty: Shopify's own." hidden:""`
	SMTPURL         string `name:"smtp-url" env:"IMREPORT_SMTP_URL" help:"smtp://user:pass@host:port or smtps://… ; without it no mail is sent."`
	MailFrom        string `name:"mail-from" env:"IMREPORT_MAIL_FROM" help:"Sender of mails that no shop has an own sender for."`

	ProbeInterval  time.Duration `name:"probe-interval" env:"IMREPORT_PROBE_INTERVAL" default:"1m" help:"How often to ask whether Naver has published yesterday."`
	ReportDeadline time.Duration `name:"report-deadline" env:"IMREPORT_REPORT_DEADLINE" default:"10m" help:"A report job that takes longer is created again, once."`
	RefusalBudget  float64       `name:"refusal-budget" env:"IMREPORT_REFUSAL_BUDGET" default:"0.7" help:"Percent of refused calls (429) that learning a platform's rate may cost, 0.2 to 3."`
	RetryFor       time.Duration `name:"retry-for" env:"IMREPORT_RETRY_FOR" default:"6h" help:"How long passing faults are retried before a run fails."`

	LogLevel  slog.Level `name:"log-level" env:"IMREPORT_LOG_LEVEL" default:"info" help:"debug, info, warn or error."`
	LogFormat string     `name:"log-format" env:"IMREPORT_LOG_FORMAT" default:"text" enum:"text,json" help:"text or json."`
}

// Logger writes to standard error as the settings say.
func (c Config) Logger() *slog.Logger {
	o := &slog.HandlerOptions{Level: c.LogLevel}
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(os.Stderr, o))
	}
	return slog.New(slog.NewTextHandler(os.Stderr, o))
}
