package acmebot

import (
	"fmt"
	"slices"
	"strings"
)

// startTLS are the protocols in which acmebot asks for TLS.
func startTLS() []string { return []string{"smtp", "pop3", "imap", "sieve", "ftp", "xmpp", "ldap"} }

// verifyTo says where a certificate has to be seen. acmebot connects to the
// names as DNS has them, and leaves out what nobody named.
func (t *translator) verifyTo(to object, c *certificate) {
	o := c.option("verify")
	s := o.source()
	list := &Value{Kind: List, At: s.place()}
	for _, item := range o.items() {
		if v := t.endpoint(c, item, !c.in.option("verify").Default); v != nil {
			list.Items = append(list.Items, v)
		}
	}
	if len(list.Items) == 0 {
		to.set("verify", s.truth(false))
		return
	}
	to.set("verify", list)
}

// endpoint is one port where a certificate has to be seen. The hosts of an
// entry have to be among the names where the certificate itself lists them.
func (t *translator) endpoint(c *certificate, item option, own bool) *Value {
	fields, port := table{t: t, path: item.Key, at: item.At}, item
	switch item.v.Kind {
	case Table:
		fields = item.fields()
		t.unknown(fields, verifyKeys())
		if port = fields.option("port"); !port.given() {
			t.fail(item.Origin, "has no port", "for example {\"port\": 443}")
			return nil
		}
	case Number:
	default:
		t.fail(item.Origin, "takes ports, not "+item.v.describe(), "for example 443, or {\"port\": 25, \"starttls\": \"smtp\"}")
		return nil
	}
	number := port.number(0)
	if number < 1 || number > 65535 {
		if number != 0 || port.v.Kind == Number { // else it was reported
			t.fail(port.Origin, fmt.Sprintf("%d is not a port", number), "ports are 1 to 65535")
		}
		return nil
	}
	s := t.sourceOf(item.Origin)
	to := t.object(s)
	to.set("port", s.number(number))
	begin := s.truth(false)
	if o := fields.option("starttls"); o.text("") != "" {
		protocol := strings.ToLower(o.text(""))
		if begin = o.source().text(protocol); !slices.Contains(startTLS(), protocol) {
			t.fail(o.Origin, "unknown protocol "+quoted(o.text("")), t.didYouMean(o.text(""), startTLS()))
			return nil
		}
	}
	to.set("starttls", begin)
	to.set("address", s.text("dns"))
	if !t.endpointHosts(to, c, fields, own) {
		return nil
	}
	if o := fields.option("key_types"); o.given() && !o.null() {
		if types := c.key.keyTypes(slices.DeleteFunc(t.types(o), func(kind string) bool { return !slices.Contains(c.types, kind) })); len(types) == 0 {
			return nil // none of the certificate's is meant
		} else if len(types) < len(c.types) {
			to.set("key_types", o.source().texts(types...))
		}
	}
	if o := fields.option("protocol"); o.text("") != "" {
		if strings.ToLower(o.text("")) != "http" {
			t.fail(o.Origin, "unknown protocol "+quoted(o.text("")), "http is the only one")
		} else if t.pins(c.key) {
			to.set("pins", o.source().truth(true))
		} else {
			t.warn(o.Origin, "no public key pins are written that could be compared", "set directories.hpkp, or leave protocol out")
		}
	}
	return to.v
}

// endpointHosts says which of the names are asked for. It is false where none is.
func (t *translator) endpointHosts(to object, c *certificate, fields table, own bool) bool {
	o := fields.option("hosts")
	if !o.given() || o.null() {
		return true
	}
	s := o.source()
	hosts := &Value{Kind: List, At: s.place()}
	for _, host := range o.texts() {
		host = strings.ToLower(host)
		if !slices.ContainsFunc(c.names, func(n name) bool { return overlap(n.fqdn, host) }) {
			if own {
				t.fail(o.Origin, fmt.Sprintf("%q is not among the names of the certificate", host), "add it to alt_names, or remove it here")
			}
			continue
		}
		hosts.Items = append(hosts.Items, s.text(host))
	}
	to.set("hosts", hosts)
	return len(hosts.Items) > 0
}
