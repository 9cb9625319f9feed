package config

import "time"

// standardHSTS is what `hsts: true` means: half a year.
const standardHSTS = 15768000 * time.Second

// httpListener is an address, or a table that says what else is done there.
func httpListener() shape[HTTPListener] {
	plain := as(address(),
		func(_ *reader, _ *node, a string) (HTTPListener, bool) { return HTTPListener{Address: a}, true },
		func(l HTTPListener) (string, bool) {
			return l.Address, l == HTTPListener{Address: l.Address} && l.Address != ""
		})
	return either("an address, a table or false", `":80"`, plain, httpTable(), off(HTTPListener{}, func(l HTTPListener) bool { return l == HTTPListener{} }))
}

func httpTable() shape[HTTPListener] {
	s := object("listener", "A listener.", []key[HTTPListener]{
		fieldOr("address", address(), func(l *HTTPListener) *string { return &l.Address }, ":80", about{doc: "Address to listen on."}),
		field("redirect", redirect(), func(l *HTTPListener) *Redirect { return &l.Redirect }, about{
			doc: "Sends visitors of names in certificates on to HTTPS: `temporary` or `true` with 302 and 307, `permanent` with 301 and 308. What lies below /.well-known/ is not sent on. The port is then kept.", standard: "false", example: "true",
		}),
		field("hsts", hsts(), func(l *HTTPListener) *time.Duration { return &l.HSTS }, about{
			doc: "For how long browsers are told to use HTTPS alone (RFC 6797), half a year where it is `true`; `redirect` is `permanent` then. It is said over HTTPS, so by programs that serve through the Go library; a web server says it itself.", standard: "false", example: "true",
		}),
	}, func(r *reader, n *node, l *HTTPListener) {
		if l.HSTS > 0 && l.Redirect == Temporary && n.has("redirect") {
			r.out.add(n.placeOf("redirect"), "a redirect that is temporary says less than hsts, which browsers keep", "write redirect: permanent, or leave hsts out")
		}
		if l.HSTS > 0 {
			l.Redirect = Permanent
		}
	})
	s.kinds = table
	return s
}

func redirect() shape[Redirect] {
	flag := as(truth(), func(_ *reader, _ *node, yes bool) (Redirect, bool) {
		if yes {
			return Temporary, true
		}
		return "", true
	}, func(how Redirect) (bool, bool) { return false, how == "" })
	return either("true, false, temporary or permanent", "true", oneOf("way to redirect", Temporary, Permanent), flag)
}

func hsts() shape[time.Duration] {
	flag := as(truth(), func(_ *reader, _ *node, yes bool) (time.Duration, bool) {
		if yes {
			return standardHSTS, true
		}
		return 0, true
	}, func(d time.Duration) (bool, bool) { return d != 0, d == 0 || d == standardHSTS })
	return either("true, false or a duration", "true", duration(0), flag)
}
