package acmebot

import (
	"fmt"
	"slices"
	"strings"
)

// keysTo says which keys and certificates are wanted. Every private key of
// acmebot's is one of `keys`, also where a certificate is alone on it.
func (t *translator) keysTo(out object, top table) {
	if len(t.keys) == 0 {
		return
	}
	services := table{t: t, path: "services", at: t.place, v: top.get("services")}
	all := out.child("keys", t.sourceOf(Origin{Key: "private_keys", At: t.place, Default: true}))
	for _, k := range t.keys {
		t.keyTo(all, k)
	}
	certs := out.child("certificates", t.sourceOf(Origin{Key: "certificates", At: t.place, Default: true}))
	for _, k := range t.keys {
		for i, c := range k.certs {
			t.certificateTo(certs, c, services, i == 0)
		}
	}
}

// get returns the table below a key without a word about what is wrong: it
// was said before.
func (in table) get(key string) *Value {
	v := in.v.get(key)
	if v != nil && v.Kind != Table {
		return nil
	}
	return v
}

// keyTo says what a private key is.
func (t *translator) keyTo(all object, k *privateKey) {
	s := t.sourceOf(Origin{Key: k.tables[0].path, At: k.at})
	to := all.child(plainName(k.name), s)
	to.set("key_types", t.keyTypesOf(k, k.types))
	to.set("backup_key", s.truth(true))
	if o := k.option("key_provided"); o.truth(false) {
		to.set("provided", o.source().truth(true))
	}
	rolls := k.option("auto_rollover")
	if o := k.option("expiration_days"); o.number(730) > 0 {
		to.set("expires", o.source().days(o.number(730)))
		if rolls.truth(false) {
			to.set("auto_rollover", rolls.source().truth(true))
		}
	}
	if o := k.option("hpkp_days"); o.number(60) > 0 {
		to.set("min_backup_age", o.source().days(o.number(60)))
	}
	t.passphraseTo(to, k)
	t.filesTo(to, keyFiles(), k.name, k, k.types, nil)
}

// keyTypesOf are kinds of key in Certkeep's words.
func (t *translator) keyTypesOf(k *privateKey, kinds []string) *Value {
	list := &Value{Kind: List}
	for _, kind := range kinds {
		v := k.option(sizeKey(kind)).source().text(string(k.sizes[kind]))
		list.At = v.At
		list.Items = append(list.Items, v)
	}
	return list
}

// encrypted reports whether a passphrase is set for the key.
func (k *privateKey) encrypted() bool {
	o := k.option("key_passphrase")
	off := o.v == nil || o.v.Kind == Null || o.v.Kind == Bool && o.v.Text == "false" || o.v.Kind == Text && o.v.Text == ""
	return !off
}

// certificateTo says what a certificate is. The first one on a key carries
// what acmebot makes once for the key.
func (t *translator) certificateTo(certs object, c *certificate, services table, first bool) {
	s := t.sourceOf(c.origin())
	to := certs.child(plainName(c.name), s)
	names := &Value{Kind: List, At: s.place()}
	for _, n := range c.names {
		names.Items = append(names.Items, t.sourceOf(n.origin).text(n.fqdn))
	}
	to.set("names", names)
	to.set("common_name", c.in.option("common_name").source().text(c.common))
	to.set("key", s.text(plainName(c.key.name)))
	if !slices.Equal(c.types, c.key.types) {
		to.set("key_types", t.keyTypesOf(c.key, c.types))
	}
	t.mustStapleTo(to, c)
	t.stapleTo(to)
	to.set("services", t.servicesOf(c, services))
	t.verifyTo(to, c)
	t.reloadTo(to, c)
	params := t.paramsTo(to, c)
	if files := t.rootsOf(c); len(files) > 0 {
		to.set("root_file", s.texts(files...))
	}
	t.filesTo(to, certificateFiles(), c.name, c.key, c.types, params)
	t.ocspTo(to, c)
	t.sctTo(to, c)
	if first {
		t.hpkpTo(to, c.key)
	}
	t.tlsaTo(to, c)
}

// stapleTo says how long is waited for a staple: so many times, so many seconds
// apart.
func (t *translator) stapleTo(to object) {
	attempts, delay := t.settings.option("max_ocsp_verify_attempts"), t.settings.option("ocsp_verify_retry_delay")
	if from := firstGiven(attempts, delay); from.given() {
		to.set("staple_wait", from.source().seconds(attempts.number(10)*delay.number(5)))
	}
}

// rootsOf are the files of roots that are there for a certificate.
func (t *translator) rootsOf(c *certificate) []string {
	var files []string
	for _, kind := range c.types {
		if file := t.root(kind); t.facts.Exists(file) && !slices.Contains(files, file) {
			files = append(files, file)
		}
	}
	return files
}

// tlsaTo says which TLSA records speak of a certificate. acmebot publishes
// both digests.
func (t *translator) tlsaTo(to object, c *certificate) {
	in := c.in.table("tlsa_records")
	list := &Value{Kind: List}
	for _, p := range in.pairs() {
		zone := strings.ToLower(p.Key)
		if !t.updates[zone] {
			t.fail(Origin{Key: in.keyOf(p.Key), At: p.At}, fmt.Sprintf("the zone %s has no update key, which TLSA records need", zone), "add it to zone_update_keys")
			continue
		}
		for _, item := range in.option(p.Key).items() {
			if v := t.tlsaRecord(item, zone, in.keyOf(p.Key)); v != nil {
				list.At = v.At
				list.Items = append(list.Items, v)
			}
		}
	}
	if len(list.Items) > 0 {
		to.set("tlsa", list)
	}
}

func (t *translator) tlsaRecord(item option, zone, key string) *Value {
	s := t.sourceOf(item.Origin)
	host, fields := item, table{t: t, path: key, at: item.At}
	if item.v.Kind == Table {
		fields = item.fields()
		t.unknown(fields, tlsaKeys())
		host = fields.option("host")
	}
	to := t.object(s)
	fqdn := zone
	if h := host.text("@"); h != "@" && h != "" {
		fqdn = h + "." + zone
	}
	to.set("host", s.text(fqdn))
	port := fields.option("port")
	n := port.number(443)
	if n < 1 || n > 65535 {
		t.fail(port.Origin, fmt.Sprintf("%d is not a port", n), "ports are 1 to 65535")
		return nil
	}
	to.set("port", port.source().number(n))
	for _, k := range []struct {
		key, standard string
		known         []string
	}{
		{"protocol", "tcp", []string{"tcp", "udp", "sctp"}},
		{"usage", "pkix-ee", []string{"pkix-ta", "pkix-ee", "dane-ta", "dane-ee"}},
		{"selector", "spki", []string{"cert", "spki"}},
	} {
		o := fields.option(k.key)
		word := o.text(k.standard)
		if !slices.Contains(k.known, word) {
			t.fail(o.Origin, fmt.Sprintf("unknown %s %s", k.key, quoted(word)), t.didYouMean(word, k.known))
			return nil
		}
		to.set(k.key, o.source().text(word))
	}
	to.set("matching", s.texts("sha256", "sha512"))
	ttl := fields.option("ttl")
	to.set("ttl", ttl.source().seconds(max(1, ttl.number(300))))
	return to.v
}

// reloadTo lists the local zones of a certificate's names: their TLSA records
// are made of what is installed.
func (t *translator) reloadTo(to object, c *certificate) {
	local := t.proofs.ways["dns-01"]
	if local == nil {
		return
	}
	var zones []string
	for _, n := range c.names {
		if slices.Contains(strings.Fields(local.zone), n.zone) && !slices.Contains(zones, n.zone) {
			zones = append(zones, n.zone)
		}
	}
	if len(zones) > 0 {
		to.set("reload_zones", t.settings.option("reload_zone_command").source().texts(zones...))
	}
}
