package config

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

func challengesKey() key[Config] {
	return field("challenges", ruleList(), func(c *Config) *[]Rule { return &c.Challenges }, about{
		doc:      "How names are proven. The first rule whose `names` match counts; a certificate's own `challenges` come first. Rules in `conf.d` are appended.",
		standard: "http-01 by the own listener",
	})
}

func ruleList() shape[[]Rule] {
	return listOf(rule(), "a list of rules", "[{http-01: {webroot: /var/www/html}}]")
}

// ruleForm is how a rule looks in a file: with one method, or a list of them.
type ruleForm struct {
	names []string
	methodForm
	try []methodForm
}

// methodForm is how a method looks in a file: its type is a key.
type methodForm struct{ http, tls, dns *Method }

func (f methodForm) methods() []Method {
	var methods []Method
	for _, m := range []*Method{f.http, f.tls, f.dns} {
		if m != nil {
			methods = append(methods, *m)
		}
	}
	return methods
}

func formOf(m Method) methodForm {
	switch m.Type {
	case MethodDNS01:
		return methodForm{dns: &m}
	case MethodTLSALPN01:
		return methodForm{tls: &m}
	}
	return methodForm{http: &m}
}

// methodKeys are the keys of a method within a form of type T.
func methodKeys[T any](at func(*T) *methodForm) []key[T] {
	return []key[T]{
		field(MethodHTTP01, pointer(http01()), func(t *T) **Method { return &at(t).http }, about{
			doc: "A file that the CA fetches from port 80 of the name, served from `webroot` or by the own listener.", example: "{webroot: /var/www/html}",
		}),
		field(MethodTLSALPN01, pointer(tlsalpn01()), func(t *T) **Method { return &at(t).tls }, about{
			doc: "A TLS handshake on port 443 of the name, answered by the own listener (`listen.tls`).", example: "{}", off: true,
		}),
		field(MethodDNS01, pointer(dns01()), func(t *T) **Method { return &at(t).dns }, about{
			doc: "A DNS record below the name. The only way for wildcards.", example: "{via: main}", off: true,
		}),
	}
}

func rule() shape[Rule] {
	keys := []key[ruleForm]{
		field("names", filled(distinct(listOf(pattern(), "a list of names and patterns", `["*.example.com", example.com]`))),
			func(f *ruleForm) *[]string { return &f.names }, about{
				doc: "What the rule is for: a name itself, `*.example.com` for one label below example.com (the wildcard among them), `.example.com` for any name below it. IP addresses as such.", standard: "all names",
				example: "[legacy.example.org]",
			}),
	}
	keys = append(keys, methodKeys(func(f *ruleForm) *methodForm { return &f.methodForm })...)
	keys = append(keys, field("try", filled(listOf(method(), "a list of methods", "[{tls-alpn-01: {}}, {http-01: {}}]")),
		func(f *ruleForm) *[]methodForm { return &f.try }, about{
			doc: "Several methods, tried in this order.", example: "[{http-01: {}}, {http-01: {webroot: /var/www/html}}]", off: true,
		}))
	form := object("rule", "A rule says how names are proven: exactly one of `http-01`, `tls-alpn-01`, `dns-01` and `try`.", keys,
		func(r *reader, n *node, f *ruleForm) {
			given := len(f.methods())
			if n.has("try") {
				given++
			}
			if given == 0 && !slices.ContainsFunc(n.pairs, func(p pair) bool { return p.key != "names" }) {
				r.out.add(n.at, "a rule says how names are proven", "add one of http-01, tls-alpn-01, dns-01 and try")
			}
			if given > 1 {
				r.out.add(n.at, "a rule takes one of http-01, tls-alpn-01, dns-01 and try", "list several below try, in the order in which they are tried")
			}
		})
	form.kinds, form.words, form.such = table, "a table with a method", "{http-01: {webroot: /var/www/html}}"
	return as(form,
		func(_ *reader, _ *node, f ruleForm) (Rule, bool) {
			rule := Rule{Names: f.names, Methods: f.methods()}
			for _, m := range f.try {
				rule.Methods = append(rule.Methods, m.methods()...)
			}
			return rule, true
		},
		func(rule Rule) (ruleForm, bool) {
			if len(rule.Methods) == 1 {
				return ruleForm{names: rule.Names, methodForm: formOf(rule.Methods[0])}, true
			}
			f := ruleForm{names: rule.Names}
			for _, m := range rule.Methods {
				f.try = append(f.try, formOf(m))
			}
			return f, true
		})
}

// method is an entry of `try`.
func method() shape[methodForm] {
	s := object("method", "An entry of `try`: exactly one of `http-01`, `tls-alpn-01` and `dns-01`.",
		methodKeys(func(f *methodForm) *methodForm { return f }),
		func(r *reader, n *node, f *methodForm) {
			if len(n.pairs) != 1 {
				r.out.add(n.at, "an entry of try is one of http-01, tls-alpn-01 and dns-01", "write them as entries of their own")
			}
		})
	s.kinds, s.words, s.such = table, "a table with a method", "{http-01: {}}"
	return s
}

// pattern is what a rule is for.
func pattern() shape[string] {
	return scalar(text, "a name or a pattern", `"*.example.com"`, func(_ *reader, n *node) (string, string, string) {
		return checkPattern(n.text)
	}, showText)
}

func http01() shape[Method] {
	s := object(MethodHTTP01, "Proof by a file over HTTP.", []key[Method]{
		field("webroot", checked("an absolute path", "/var/www/html", checkWebroot), func(m *Method) *string { return &m.Webroot }, about{
			doc: "Folder that a web server serves as the root of the name. `{fqdn}` stands for the name, `{host}` for its first label and `{zone}` for the rest; example.com itself is `{zone}`, with `.` as its `{host}`.", standard: "none: the own listener answers",
			example: "/var/www/html",
		}),
		field("folder", checked("an absolute path", "/srv/challenges", checkWebroot), func(m *Method) *string { return &m.Folder }, about{
			doc: "Instead of `webroot`: the folder that a web server shows as `/.well-known/acme-challenge/` of the name, with the same placeholders.", example: "/srv/challenges", off: true,
		}),
		field("shown_within", duration(0), func(m *Method) *time.Duration { return &m.ShownWithin }, about{
			doc: "With `webroot` or `folder`: the CA is not asked before the web server of this machine has shown the answer for a moment, or this time is over. A web server that was just reloaded may answer by its old configuration for some milliseconds. Looked at are this machine's addresses, at port 80 (`listen.outside`).", standard: "it is not looked at", example: "10s", off: true,
		}),
		manualKey(),
	}, func(r *reader, n *node, m *Method) {
		m.Type = MethodHTTP01
		if m.ShownWithin > 0 && !n.has("webroot") && !n.has("folder") {
			r.out.add(n.at, "shown_within needs a webroot or a folder, which a web server shows", "leave it out: other answers are there once they are given")
		}
		if n.has("webroot") && n.has("folder") {
			r.out.add(n.at, "http-01 takes either a webroot or a folder", "a folder holds the answers, a webroot has them in /.well-known/acme-challenge")
		}
		if n.has("manual") && (n.has("webroot") || n.has("folder")) {
			r.out.add(n.at, "http-01 takes either a folder or manual", "the programs of manual put the answer where it belongs")
		}
		if !checkReach(r, n, MethodHTTP01, "80") {
			return
		}
		if m.Webroot == "" && !n.has("webroot") && m.Folder == "" && !n.has("folder") && !n.has("manual") && r.cfg.Listen.HTTP.Address == "" {
			r.out.add(n.at, "http-01 without a webroot needs the own listener, which is off", `set listen: {http: ":80"}, or a webroot`)
		}
	})
	return s
}

func tlsalpn01() shape[Method] {
	return object(MethodTLSALPN01, "Proof by a TLS handshake.", []key[Method]{}, func(r *reader, n *node, m *Method) {
		m.Type = MethodTLSALPN01
		if checkReach(r, n, MethodTLSALPN01, "443") && r.cfg.Listen.TLS == "" {
			r.out.add(n.at, "tls-alpn-01 needs the own listener, which is off", `set listen: {tls: ":443"}`)
		}
	})
}

func dns01() shape[Method] {
	via := reference("dns entry", "main", dnsNames, func(c *Config, name string) bool { _, ok := c.DNS[name]; return ok })
	return object(MethodDNS01, "Proof by a DNS record.", []key[Method]{
		field("via", via, func(m *Method) *string { return &m.Via }, about{doc: "Name of the entry of `dns` that writes the record. Required, unless there is `manual`.", example: "main"}),
		manualKey(),
	}, func(r *reader, n *node, m *Method) {
		m.Type = MethodDNS01
		if n.has("via") && n.has("manual") {
			r.out.add(n.at, "dns-01 takes either via or manual", "the programs of manual write the record themselves")
		}
		if !n.has("via") && !n.has("manual") {
			r.out.add(n.at, "dns-01 does not say via which dns entry", "for example {via: main}; "+hintDeclared(dnsNames(r.cfg)))
		}
	})
}

// hintDeclared lists what could be named.
func hintDeclared(names []string) string {
	if len(names) == 0 {
		return "none is declared under dns yet"
	}
	return "declared: " + strings.Join(names, ", ")
}

// checkWebroot allows only the placeholders that exist.
func checkWebroot(s string) (wrong, hint string) {
	bare := strings.NewReplacer("{zone}", "x", "{host}", "x", "{fqdn}", "x").Replace(s)
	if strings.ContainsAny(bare, "{}") {
		return fmt.Sprintf("%q has an unknown placeholder", shorten(s)), "known: {zone}, {host}, {fqdn}"
	}
	return checkPath(s)
}
