package page

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"mime"
	"net/http"
	"path"
	"strings"

	"imreport/internal/web"
)

//go:embed assets/*
var assetFiles embed.FS

// asset is one static file, known by the hash of its content: its address
// changes when it does, so browsers may keep it for ever.
type asset struct {
	url, contentType string
	body             []byte
}

var assets = loadAssets()

func loadAssets() map[string]asset {
	entries, err := assetFiles.ReadDir("assets")
	if err != nil {
		panic("page: " + err.Error()) // the files are part of the binary
	}
	all := map[string]asset{}
	for _, e := range entries {
		b, err := assetFiles.ReadFile("assets/" + e.Name())
		if err != nil {
			panic("page: " + err.Error())
		}
		sum := sha256.Sum256(b)
		ext := path.Ext(e.Name())
		name := strings.TrimSuffix(e.Name(), ext) + "." + hex.EncodeToString(sum[:6]) + ext
		contentType := mime.TypeByExtension(ext)
		if ext == ".js" {
			contentType = "text/javascript; charset=utf-8"
		}
		all[e.Name()] = asset{"/assets/" + name, contentType, b}
	}
	return all
}

// Asset is the address of a static file: "app.css" → "/assets/app.3f….css".
// It panics for a file that is not there: a template is wrong.
func Asset(name string) string {
	a, ok := assets[name]
	if !ok {
		panic(fmt.Sprintf("page: no asset %q", name))
	}
	return a.url
}

// mountAssets serves the static files.
func mountAssets(s *web.Site) {
	byURL := map[string]asset{}
	for _, a := range assets {
		byURL[a.url] = a
	}
	s.Plain("GET /assets/{file}", func(w http.ResponseWriter, r *http.Request) error {
		a, ok := byURL[r.URL.Path]
		if !ok {
			return web.NotFound()
		}
		w.Header().Set("Content-Type", a.contentType)
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
		_, err := w.Write(a.body)
		return err
	})
	s.Plain("GET /favicon.ico", func(w http.ResponseWriter, r *http.Request) error {
		http.Redirect(w, r, Asset("icon.svg"), http.StatusFound)
		return nil
	})
}
