package acmebot

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// kindMark stands for rsa or ecdsa in a path of Certkeep's.
const kindMark = "{kind}"

// eachKind is the path of one file for each kind of key. Where the
// certificate has one kind only, nothing has to stand for it.
func (t *translator) eachKind(folder option, standardFolder, key, standardName string, c *certificate, more map[string]string) (string, bool) {
	fields := t.fields(c.name, kindMark)
	fields["suffix"] = "{suffix}"
	if len(c.types) == 1 {
		fields = t.fields(c.name, c.types[0])
	}
	for field, text := range more {
		fields[field] = text
	}
	return t.fileIn(folder, standardFolder, key, standardName, fields)
}

// ocspTo says where OCSP responses are kept.
func (t *translator) ocspTo(to object, c *certificate) {
	urls := c.option("ocsp_responder_urls")
	var live []string
	for _, item := range urls.items() {
		if url := item.text(""); deadResponder(url) {
			t.warn(item.Origin, url+" answers no more: this CA turned its OCSP responders off", "it is left out")
		} else if url != "" {
			live = append(live, url)
		}
	}
	folder := t.dirs.option("ocsp")
	file, ok := t.eachKind(folder, "", "ocsp", "{name}{suffix}.ocsp", c, nil)
	if !ok {
		t.earlierFolder(folder, "ocsp", "/etc/ssl/ocsp", "OCSP responses")
		return
	}
	t.noResponder(folder, live)
	s := folder.source()
	entry := to.child("ocsp", s)
	entry.set("file", s.text(file))
	if len(live) > 0 {
		entry.set("responders", urls.source().texts(live...))
	}
	entry.set("mode", s.text("0640"))
}

// sctTo says which logs a certificate is handed to.
func (t *translator) sctTo(to object, c *certificate) {
	folder, names := t.dirs.option("sct"), c.option("ct_submit_logs")
	if !names.given() {
		t.builtInLogs(names, folder, c)
		return
	}
	var logs []string
	for _, item := range names.items() {
		name := item.text("")
		switch {
		case name == "":
		case !t.logs[name].known:
			t.warn(item.Origin, fmt.Sprintf("nothing is known of the log %s: those that acmebot has built in have ended", quoted(name)), "describe it in ct_logs, with url and log_id")
		case t.logs[name].usable && !slices.Contains(logs, name):
			logs = append(logs, name)
		}
	}
	file, ok := t.eachKind(folder, "/etc/ssl/scts/{name}/{key_type}", "sct", "{ct_log_name}.sct", c, map[string]string{"ct_log_name": "{log}"})
	if !ok || len(logs) == 0 {
		return
	}
	s := folder.source()
	entry := to.child("sct", s)
	if dir, plain := strings.CutSuffix(file, "/{log}.sct"); plain && !strings.Contains(dir, "{log}") {
		entry.set("directory", s.text(dir))
	} else {
		entry.set("file", s.text(file))
	}
	entry.set("logs", names.source().texts(logs...))
	entry.set("mode", s.text("0640"))
}

// log is a CT log that acmebot's configuration describes.
type log struct {
	known  bool
	usable bool // some part of it has a key or an id, and has not ended
}

// logsTo describes the CT logs.
func (t *translator) logsTo(out object, in table) {
	t.logs = make(map[string]log)
	list := &Value{Kind: List}
	for _, p := range in.pairs() {
		o := in.option(p.Key)
		l := log{known: true}
		for _, shard := range o.items() {
			if v := t.shard(p.Key, shard); v != nil {
				l.usable = true
				list.At = v.At
				list.Items = append(list.Items, v)
			}
		}
		if !l.usable && !o.null() {
			t.warn(o.Origin, "no part of this log can be used: each has ended, or neither its key nor its id is given", "it is left out")
		}
		t.logs[p.Key] = l
	}
	if len(list.Items) > 0 {
		s := t.sourceOf(Origin{Key: "ct_logs", At: in.at})
		out.child("ct_logs", s).set("own", list)
	}
}

// shard is one part of a log; nil where it cannot be used.
func (t *translator) shard(name string, o option) *Value {
	if o.v.Kind != Table {
		t.fail(o.Origin, "takes a table with url and key, not "+o.v.describe(), "")
		return nil
	}
	in := o.fields()
	t.unknown(in, logKeys())
	url, key, end := strings.TrimSuffix(in.option("url").text(""), "/"), in.option("key"), in.option("end").text("")
	id := in.option("log_id")
	if id.text("") == "" {
		id = in.option("id") // acmebot's earlier name
	}
	if ends, err := time.Parse(time.RFC3339, end); err == nil && !ends.After(t.facts.Now) || endedLog(url) {
		return nil
	}
	if key.text("") == "" && id.text("") == "" {
		return nil
	}
	s := o.source()
	to := t.object(s)
	to.set("name", s.text(name))
	to.set("url", s.text(url))
	if key.text("") != "" {
		to.set("key", key.source().text(key.text("")))
	} else {
		to.set("id", id.source().text(id.text("")))
	}
	for _, k := range []string{"start", "end"} {
		if when := in.option(k); when.text("") != "" {
			to.set(k, when.source().text(when.text("")))
		}
	}
	return to.v
}

// hpkpTo says where headers are written that pin a site to its keys.
func (t *translator) hpkpTo(to object, k *privateKey) {
	days, folder := k.option("hpkp_days"), t.dirs.option("hpkp")
	file, ok := t.pinFile(k)
	if !ok {
		t.earlierFolder(folder, "hpkp", "/etc/ssl/hpkp", "headers of public key pins")
		return
	}
	headers := t.object(folder.source())
	for _, server := range t.headers.servers {
		headers.set(server, t.headers.texts[server])
	}
	if len(headers.v.Pairs) == 0 {
		return
	}
	s := folder.source()
	entry := to.child("hpkp", s)
	entry.set("file", s.text(file))
	entry.set("headers", headers.v)
	entry.set("max_age", days.source().days(days.number(60)))
	if o := k.option("pin_subdomains"); o.truth(true) {
		entry.set("include_subdomains", o.source().truth(true))
	}
	if o := k.option("hpkp_report_uri"); o.text("") != "" {
		entry.set("report_uri", o.source().text(o.text("")))
	}
}

// pinFile is where such headers of a key are written, if they are.
func (t *translator) pinFile(k *privateKey) (string, bool) {
	fields := t.fields(k.name, "")
	fields["server"] = "{server}"
	file, ok := t.fileIn(t.dirs.option("hpkp"), "", "hpkp", "{name}.{server}", fields)
	return file, ok && k.option("hpkp_days").number(60) != 0
}

// pins reports whether such headers are written for a key.
func (t *translator) pins(k *privateKey) bool {
	_, ok := t.pinFile(k)
	return ok && len(t.headers.servers) > 0
}

// headers are the texts of hpkp_headers, in Certkeep's words.
type headers struct {
	servers []string
	texts   map[string]*Value
}

// readHeaders reads hpkp_headers. The built-in servers can be turned off.
func (t *translator) readHeaders(in table) headers {
	h := headers{texts: make(map[string]*Value)}
	standard := map[string]string{
		"apache": "Header always set Public-Key-Pins \"{header}\"\n",
		"nginx":  "add_header Public-Key-Pins \"{header}\" always;\n",
	}
	for _, server := range append([]string{"apache", "nginx"}, pairKeys(in)...) {
		o := in.option(server)
		text := o.text(standard[server])
		if text == "" || h.texts[server] != nil {
			continue
		}
		h.servers = append(h.servers, server)
		// {key_name} is what its README calls {name}.
		h.texts[server] = o.source().text(strings.ReplaceAll(text, "{key_name}", "{name}"))
	}
	return h
}
