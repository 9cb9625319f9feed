package config

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io/fs"
	"net/url"
	"strings"
	"time"

	"github.com/certkeep/certkeep/internal/hpkp"
	"github.com/certkeep/certkeep/internal/plan"
)

// statementKeys are the settings of files that hold what others say of a
// certificate, or what follows from its keys.
func statementKeys[T any](at func(*T) *Settings) []key[T] {
	return []key[T]{
		field("ocsp", either("a table of keys or false", "{file: /etc/ssl/ocsp/{name}.{key_type}.ocsp}",
			off(&OCSP{}, func(o *OCSP) bool { return o != nil && !o.On }), pointer(ocspSettings())), func(t *T) **OCSP { return &at(t).OCSP }, about{
			doc: "Keeps OCSP responses in files for servers to staple. `false` where `defaults` has it.", standard: "none are kept", example: `{file: "/etc/ssl/ocsp/{name}.{key_type}.ocsp"}`, off: true,
		}),
		field("sct", either("a table of keys or false", "{directory: /etc/ssl/scts/{name}/{key_type}, logs: [google_argon]}",
			off(&SCT{}, func(s *SCT) bool { return s != nil && !s.on() }), pointer(sctSettings())), func(t *T) **SCT { return &at(t).SCT }, about{
			doc: "Hands certificates to logs (RFC 6962) and keeps their receipts in files. Public CAs put receipts into their certificates: few need this. `false` where `defaults` has it.", standard: "certificates are handed to no log", example: `{directory: "/etc/ssl/scts/{name}/{key_type}", logs: [google_argon]}`, off: true,
		}),
		field("hpkp", either("a table of keys or false", "{file: /etc/ssl/hpkp/{name}.{server}}",
			off(&HPKP{}, func(h *HPKP) bool { return h != nil && h.File == "" }), pointer(hpkpSettings())), func(t *T) **HPKP { return &at(t).HPKP }, about{
			doc: "Writes headers that pin a site to its keys (RFC 7469). Browsers dropped them by 2020, and a client that obeys them is locked out when the keys change. `false` where `defaults` has it.", standard: "none are written", example: `{file: "/etc/ssl/hpkp/{name}.{server}"}`, off: true,
		}),
	}
}

// attributeKeys are the keys of files that hold nothing secret.
func attributeKeys[T any](at func(*T) *Attributes) []key[T] {
	return []key[T]{
		field("owner", userName(), func(t *T) *string { return &at(t).Owner }, about{doc: "Owner.", standard: "the certificate's", example: "root", off: true}),
		field("group", userName(), func(t *T) *string { return &at(t).Group }, about{doc: "Group.", standard: "the certificate's", example: "ssl-cert", off: true}),
		field("mode", mode(), func(t *T) *fs.FileMode { return &at(t).Mode }, about{doc: "Permissions, a quoted octal number.", standard: "`\"0644\"`", example: `"0640"`, off: true}),
	}
}

func ocspSettings() shape[OCSP] {
	return object("ocsp", "OCSP responses in files. Each is asked for again half-way through its life, unless `before` says otherwise; only one that says good is kept. A certificate that turns out to be revoked is replaced at once.", append([]key[OCSP]{
		field("file", checked("an absolute path", "/etc/ssl/ocsp/{name}.{key_type}.ocsp", pathWith(nameMark, keyTypeMark, kindMark, suffixMark)), func(o *OCSP) *string { return &o.File }, about{
			doc: "Where (DER). `{name}` stands for the certificate's name, `{key_type}` and `{suffix}` for the kind of key.", standard: "none: they are kept in the state, for programs that serve through the Go library", example: `"/etc/ssl/ocsp/{name}.{key_type}.ocsp"`, off: true,
		}),
		field("responders", filled(distinct(listOf(webAddress(), "a list of URLs", "[http://ocsp.ca.example]"))), func(o *OCSP) *[]string { return &o.Responders }, about{
			doc: "Responders of the CA for certificates that name none, asked in this order.", standard: "none", example: "[http://ocsp.ca.example]", off: true,
		}),
		field("force", truth(), func(o *OCSP) *bool { return &o.Force }, about{
			doc: "Whether `responders` are asked instead of those that the certificate names.", standard: "`false`", example: "true", off: true,
		}),
		field("before", span(), func(o *OCSP) *plan.Span { return &o.Before }, about{
			doc: "How long before a response ends a newer one is asked for: a share of its life, or a duration.", standard: "`50%`", example: "33%", off: true,
		}),
		field("keep", either("a duration or false", "1d", off(0, isZeroDuration), duration(time.Minute)), func(o *OCSP) *time.Duration { return &o.Keep }, about{
			doc: "How long a response that has ended stays in its file while no newer one can be had. The file then says \"try later\", which clients pass over; some refuse a response that has ended. `false` where `defaults` has it.", standard: "until there is a newer one", example: "1d", off: true,
		}),
	}, attributeKeys(func(o *OCSP) *Attributes { return &o.Attributes })...), func(r *reader, n *node, o *OCSP) {
		o.On = true
		if o.Force && len(o.Responders) == 0 {
			r.out.add(n.placeOf("force"), `"force" needs responders`, "list them, or leave force out")
		}
	})
}

func sctSettings() shape[SCT] {
	return object("sct", "Receipts of logs in files, as they stand in TLS (RFC 6962 section 3.2). A certificate is handed to each log once.", append([]key[SCT]{
		field("directory", checked("an absolute path", "/etc/ssl/scts/{name}/{key_type}", pathWith(nameMark, keyTypeMark, kindMark, suffixMark)), func(s *SCT) *string { return &s.Directory }, about{
			doc: "Folder in which each log has its `LOG.sct`. `{name}` stands for the certificate's name, `{key_type}` and `{suffix}` for the kind of key. This or `file` is required.", example: `"/etc/ssl/scts/{name}/{key_type}"`, off: true,
		}),
		field("file", checked("an absolute path", "/etc/ssl/scts/{name}{suffix}.{log}.sct", pathWith(nameMark, keyTypeMark, kindMark, suffixMark, logMark)), func(s *SCT) *string { return &s.File }, about{
			doc: "The file of each log, instead of a `directory`: the same, and `{log}` for the log's name.", example: `"/etc/ssl/scts/{name}{suffix}.{log}.sct"`, off: true,
		}),
		field("logs", filled(distinct(listOf(identifier("log", "google_argon"), "a list of logs", "[google_argon]"))), func(s *SCT) *[]string { return &s.Logs }, about{
			doc: "Logs of `ct_logs` by name: `google_argon2026h1`, or `google_argon` for the part that fits the certificate. Required.", example: "[google_argon]", off: true,
		}),
	}, attributeKeys(func(s *SCT) *Attributes { return &s.Attributes })...), func(r *reader, n *node, s *SCT) {
		switch { // one here replaces the other of `defaults`
		case n.has("directory") && !n.has("file"):
			s.File = ""
		case n.has("file") && !n.has("directory"):
			s.Directory = ""
		}
		place := n.has("directory") || n.has("file")
		switch {
		case n.has("directory") && n.has("file"):
			r.out.add(n.placeOf("file"), `"sct" has a directory and a file`, "leave one of them out")
		case !place && !s.on() || len(s.Logs) == 0 && !n.has("logs"):
			r.out.add(n.at, `"sct" needs a directory and logs`, `for example {directory: "/etc/ssl/scts/{name}/{key_type}", logs: [google_argon]}`)
		}
	})
}

func hpkpSettings() shape[HPKP] {
	return object("hpkp", "Headers that pin a site to its keys.", append([]key[HPKP]{
		field("file", checked("an absolute path", "/etc/ssl/hpkp/{name}.{server}", pathWith(nameMark, serverMark)), func(h *HPKP) *string { return &h.File }, about{
			doc: "Where. `{name}` stands for the certificate's name, `{server}` for that of the header. Required.", example: `"/etc/ssl/hpkp/{name}.{server}"`, off: true,
		}),
		field("headers", headers(), func(h *HPKP) *map[string]string { return &h.Headers }, about{
			doc: "The text of the file by server: `true` for the one that is built in for `apache` and `nginx`, else a text in which `{header}` stands for the header's value, `{server}` as above, and `{name}` for the name of the key: that in `keys`, else the certificate's.", standard: "`{apache: true, nginx: true}`", example: "{nginx: true}", off: true,
		}),
		fieldOr("max_age", duration(24*time.Hour), func(h *HPKP) *time.Duration { return &h.MaxAge }, 60*24*time.Hour, about{
			doc: "For how long clients remember the keys, in whole days.",
		}),
		field("include_subdomains", truth(), func(h *HPKP) *bool { return &h.Subdomains }, about{doc: "Whether that holds for subdomains too.", standard: "`false`", example: "true", off: true}),
		field("report_uri", webAddress(), func(h *HPKP) *string { return &h.ReportURI }, about{doc: "Where clients report other keys.", standard: "nowhere", example: "https://example.com/pins", off: true}),
	}, attributeKeys(func(h *HPKP) *Attributes { return &h.Attributes })...), func(r *reader, n *node, h *HPKP) {
		if h.File == "" && !n.has("file") {
			r.out.add(n.at, `"hpkp" has no file`, `for example {file: "/etc/ssl/hpkp/{name}.{server}"}`)
		}
		if h.Headers == nil {
			h.Headers = hpkp.Formats()
		}
		if len(h.Headers) > 1 && !strings.Contains(h.File, serverMark) {
			r.out.add(n.at, fmt.Sprintf("%q is one file for %d headers", h.File, len(h.Headers)), "write {server} in its name, or list one header")
		}
		policy := hpkp.Policy{Pins: []string{blankPin(0), blankPin(1)}, Days: int(h.MaxAge / (24 * time.Hour)), ReportURI: h.ReportURI}
		if err := policy.Check(); err != nil {
			r.out.add(n.at, err.Error(), "")
		}
		r.out.warn(n.at, "browsers dropped public key pins by 2020, and a client that obeys them is locked out for max_age when all pinned keys have changed",
			"leave hpkp out unless you know such clients, and keep the keys")
	})
}

// blankPin is a pin of no key, to try a policy with.
func blankPin(n byte) string {
	sum := make([]byte, 32)
	sum[0] = n
	return base64.StdEncoding.EncodeToString(sum)
}

// headers are texts by server. A table replaces another as a whole.
func headers() shape[map[string]string] {
	return shape[map[string]string]{
		kinds: table,
		words: "a table of texts by server",
		such:  "{nginx: true}",
		read: func(r *reader, n *node, v *map[string]string) {
			all := make(map[string]string, len(n.pairs))
			for i := range n.pairs {
				p := &n.pairs[i]
				if wrong, hint := checkIdentifier("the server name", p.key); wrong != "" {
					r.out.add(p.at, wrong, hint)
					continue
				}
				all[p.key] = headerText(r, p)
			}
			if len(n.pairs) == 0 {
				r.out.add(n.at, r.is()+" is empty", "leave the key out instead")
			}
			*v = all
		},
		show: func(v map[string]string) *node {
			h := HPKP{Headers: v}
			to := &node{kind: table}
			for _, server := range h.Servers() {
				value := showText(v[server])
				if v[server] == hpkp.Formats()[server] {
					value = &node{kind: boolean, text: "true"}
				}
				to.pairs = append(to.pairs, pair{key: server, value: value})
			}
			return to
		},
		json: func() *jsonSchema {
			return &jsonSchema{Type: "object", AdditionalProperties: &jsonSchema{AnyOf: []*jsonSchema{{Enum: []any{true}}, {Type: "string"}}}}
		},
	}
}

// headerText is the text of one server's file.
func headerText(r *reader, p *pair) string {
	if p.value.kind == boolean && p.value.text == "true" {
		if hpkp.Formats()[p.key] == "" {
			r.out.add(p.value.at, fmt.Sprintf("no header is built in for %q", p.key), "apache and nginx have one; write the text for others")
		}
		return hpkp.Formats()[p.key]
	}
	if p.value.kind != text {
		r.out.add(p.value.at, fmt.Sprintf("%q takes a text or true, not %s", p.key, p.value.describe()), "")
		return ""
	}
	if _, err := hpkp.Parse(p.value.text); err != nil {
		r.out.add(p.value.at, err.Error(), "")
	}
	return p.value.text
}

// pathWith makes a check of paths in which some marks may stand.
func pathWith(marks ...string) func(string) (wrong, hint string) {
	return func(s string) (wrong, hint string) {
		bare := s
		for _, mark := range marks {
			bare = strings.ReplaceAll(bare, mark, "x")
		}
		if strings.ContainsAny(bare, "{}") {
			return fmt.Sprintf("%q has an unknown placeholder", shorten(s)), "known: " + strings.Join(marks, ", ")
		}
		if strings.HasSuffix(s, "/") {
			return fmt.Sprintf("%q ends in a slash", shorten(s)), "leave it out"
		}
		return checkPath(s)
	}
}

// webAddress is a URL of http or https: what is fetched there proves itself.
func webAddress() shape[string] {
	return checked("a URL", "http://ocsp.ca.example", func(s string) (string, string) {
		u, err := url.Parse(s)
		if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") || u.User != nil {
			return fmt.Sprintf("%q is not a URL", shorten(s)), "one such as http://ocsp.ca.example"
		}
		return "", ""
	})
}

func ctLogsKey() key[Config] {
	return field("ct_logs", ctLogs(), func(c *Config) *CTLogs { return &c.CTLogs }, about{
		doc: "Logs of certificates that are known.", standard: "none", example: "{list: /etc/certkeep/log_list.json}", off: true,
	})
}

func ctLogs() shape[CTLogs] {
	s := object("ct_logs", "Logs of certificates (RFC 6962). Where some are known, the receipts in certificates are checked and shown by `status`.", []key[CTLogs]{
		field("list", absolute("/etc/certkeep/log_list.json"), func(l *CTLogs) *string { return &l.List }, about{
			doc: "File that lists them, as browsers publish it (JSON, version 3), such as https://www.gstatic.com/ct/log_list/v3/log_list.json. Certkeep does not fetch it.", example: "/etc/certkeep/log_list.json", off: true,
		}),
		field("own", filled(listOf(ctLog(), "a list of logs", "[{name: corp, url: https://log.corp.example/2026, key: …}]")), func(l *CTLogs) *[]CTLog { return &l.Own }, about{
			doc: "Logs that are in no list. Several of one name are its parts, by `start` and `end`.", off: true,
		}),
	}, func(r *reader, n *node, l *CTLogs) {
		if !n.has("list") && !n.has("own") {
			r.out.add(n.at, `"ct_logs" names no log`, "for example {list: /etc/certkeep/log_list.json}")
		}
		readLogList(r, n, l)
		r.mark("ct_logs", n)
	})
	show := s.show
	s.show = func(l CTLogs) *node {
		if l.IsZero() {
			return nil
		}
		return show(l)
	}
	return s
}

func ctLog() shape[CTLog] {
	return object("ct_log", "A log, or a part of one.", []key[CTLog]{
		field("name", identifier("log", "corp"), func(l *CTLog) *string { return &l.Name }, about{doc: "What `sct.logs` calls it. Required.", example: "corp"}),
		field("url", webAddress(), func(l *CTLog) *string { return &l.URL }, about{doc: "Where certificates are handed in; `ct/v1/add-chain` lies below it. Required.", example: "https://log.corp.example/2026"}),
		field("key", publicKey(), func(l *CTLog) *[]byte { return &l.Key }, about{doc: "Its public key in base64, as lists of logs have it. Required, unless `id` is given.", example: exampleLogKey, off: true}),
		field("id", logID(), func(l *CTLog) *[]byte { return &l.ID }, about{
			doc:      "The SHA-256 of its key in base64, where the key is not known. What the log answers is then told from another log's, and cannot be checked any further.",
			standard: "that of `key`", example: exampleLogID, off: true,
		}),
		field("start", instant(), func(l *CTLog) *time.Time { return &l.Start }, about{doc: "It takes certificates that end not before this.", standard: "any", example: `"2026-01-01"`, off: true}),
		field("end", instant(), func(l *CTLog) *time.Time { return &l.End }, about{doc: "It takes certificates that end before this.", standard: "any", example: `"2026-07-01"`, off: true}),
	}, func(r *reader, n *node, l *CTLog) {
		for _, k := range []string{"name", "url", "key"} {
			if !n.has(k) && !(k == "key" && n.has("id")) {
				r.out.add(n.at, "a log has no "+k, "for example {name: corp, url: https://log.corp.example/2026, key: …}")
			}
		}
		if sum := sha256.Sum256(l.Key); n.has("key") && n.has("id") && len(l.Key) > 0 && len(l.ID) > 0 && !bytes.Equal(sum[:], l.ID) {
			r.out.add(n.placeOf("id"), fmt.Sprintf("the id of the log %q does not belong to its key", l.Name), "remove the id")
		}
		if !l.End.IsZero() && !l.End.After(l.Start) {
			r.out.add(n.placeOf("end"), fmt.Sprintf("the log %q ends before it starts", l.Name), "")
		}
	})
}

// exampleLogKey is the key of no log.
const exampleLogKey = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q=="

// publicKey is a SubjectPublicKeyInfo in base64.
func publicKey() shape[[]byte] {
	return scalar(text, "a public key in base64", exampleLogKey, func(r *reader, n *node) ([]byte, string, string) {
		der, err := base64.StdEncoding.DecodeString(n.text)
		if err == nil {
			_, err = x509.ParsePKIXPublicKey(der)
		}
		if err != nil {
			return nil, fmt.Sprintf("%s is not a public key in base64", r.is()), "take it from the log's description (SubjectPublicKeyInfo)"
		}
		return der, "", ""
	}, func(der []byte) *node {
		if len(der) == 0 {
			return nil
		}
		return showText(base64.StdEncoding.EncodeToString(der))
	})
}

// instant is a day, or an instant.
func instant() shape[time.Time] {
	return scalar(text, "a date", `"2026-01-01"`, func(r *reader, n *node) (time.Time, string, string) {
		for _, form := range []string{time.DateOnly, time.RFC3339} {
			if t, err := time.Parse(form, n.text); err == nil {
				return t.UTC(), "", ""
			}
		}
		return time.Time{}, fmt.Sprintf("%s: %q is not a date", r.is(), shorten(n.text)), `write one such as "2026-01-01" or "2026-01-01T00:00:00Z"`
	}, func(t time.Time) *node {
		if t.IsZero() {
			return nil
		}
		return showText(t.Format(time.RFC3339))
	})
}

// mustStapleKey says whether certificates demand a stapled response.
func mustStapleKey[T any](at func(*T) *Settings) key[T] {
	return inherited(field("must_staple", truth(), func(t *T) *bool { return &at(t).MustStaple }, about{
		doc: "Asks for a certificate that is good with a stapled OCSP response only (RFC 7633). Few CAs still offer it.",
	}), truth().show(false))
}

// stapleWaitKey says how long a service may staple nothing of use.
func stapleWaitKey[T any](at func(*T) *Settings) key[T] {
	return inherited(field("staple_wait", duration(0), func(t *T) *time.Duration { return &at(t).StapleWait }, about{
		doc: "How long a service is asked again that staples no OCSP response though its certificate demands it (`must_staple`), or one that clients refuse: servers that ask the responder themselves begin with that at the first connection.",
	}), duration(0).show(standardSettings().StapleWait))
}
