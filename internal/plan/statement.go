package plan

import "time"

// WantedOCSP says that OCSP responses are kept for servers to staple.
type WantedOCSP struct {
	Config string        // digest of who is asked, and when
	Keep   time.Duration // how long one that has ended is kept while there is no newer one; 0: for ever
}

// GivesUp reports whether a response has ended for so long that it is not to be
// stapled any more, though there is no newer one.
func (o *WantedOCSP) GivesUp(s Staple, now time.Time) bool {
	return o.Keep > 0 && s.SHA256 != "" && !s.Ends.Add(o.Keep).After(now)
}

// WantedSCT says that certificates are handed to logs, or that the receipts in
// them are looked at.
type WantedSCT struct {
	Logs   []string // by their names in the config
	Config string   // digest of which logs there are
}

// Staple is what is known of the OCSP response of one certificate. The
// response itself lies in a record of its own.
type Staple struct {
	Leaf       string    `json:"leaf"`                   // SHA-256 of the certificate; all else is about it
	Config     string    `json:"config,omitempty"`       // WantedOCSP.Config when it was asked for
	SHA256     string    `json:"sha256,omitempty"`       // of the response that is kept; "" where there is none
	Responder  string    `json:"responder,omitempty"`    // who gave it
	ThisUpdate time.Time `json:"this_update,omitzero"`   // when the CA knew it to be so
	Ends       time.Time `json:"ends,omitzero"`          // when it is not believed any more
	Asked      time.Time `json:"asked,omitzero"`         // when it was last asked for in vain or not
	AskAgain   time.Time `json:"ask_again,omitzero"`     // when a newer one should be there
	Missing    bool      `json:"no_responder,omitempty"` // the certificate names no responder, and none is configured
	GivenUp    bool      `json:"given_up,omitempty"`     // the one that was kept ended too long ago
	Tries      Tries     `json:"tries,omitzero"`         // attempts in a row that came to nothing
}

// Receipts is what is known of the receipts of logs (SCTs, RFC 6962) for one
// certificate. Those that we got lie in a record of their own.
type Receipts struct {
	Leaf     string             `json:"leaf"`               // SHA-256 of the certificate; all else is about it
	Logs     map[string]Receipt `json:"logs,omitempty"`     // of logs that it was handed to, by their names in the config
	Embedded []Embedded         `json:"embedded,omitempty"` // those that the CA put into it
	Checked  string             `json:"checked,omitempty"`  // WantedSCT.Config when those were looked at
}

// Receipt is that of one log, or how far the certificate came there.
type Receipt struct {
	SHA256 string    `json:"sha256,omitempty"` // of the receipt; "" where there is none yet
	Log    string    `json:"log,omitempty"`    // what the list of logs calls it
	At     time.Time `json:"at,omitzero"`      // when the log received the certificate, by its own word
	Config string    `json:"config,omitempty"` // WantedSCT.Config at the last attempt
	Tries  Tries     `json:"tries,omitzero"`   // attempts in a row that came to nothing
}

// Embedded is a receipt that the CA put into a certificate.
type Embedded struct {
	Log     string    `json:"log"` // what the list of logs calls it, else its id
	At      time.Time `json:"at"`
	Verdict Verdict   `json:"verdict"` // unknown where the log is not in the list
	Words   string    `json:"words,omitempty"`
}

// StapleOf is what is known of the response of a pair; empty where what is
// known is about another certificate.
func (k *KnownCert) StapleOf(p Pair) Staple {
	if s := k.OCSP[p.KeyType]; s.Leaf == p.SHA256 {
		return s
	}
	return Staple{}
}

// ReceiptsOf is what is known of the receipts of a pair, likewise.
func (k *KnownCert) ReceiptsOf(p Pair) Receipts {
	if r := k.SCT[p.KeyType]; r.Leaf == p.SHA256 {
		return r
	}
	return Receipts{}
}

// statements asks others for what they say of the published certificates. It
// comes before files are switched: a server that staples a response of another
// certificate is worse off than one that gets its files seconds later. Whoever
// asks bounds how long an answer is waited for, and a failure holds up nothing.
func (d *decision) statements() {
	if !d.has || d.known.Damage != "" || d.current.Broken != "" {
		return
	}
	for _, pair := range d.current.Serving(d.want.KeyTypes).Pairs {
		if pair.Revoked || pair.SHA256 == "" || !pair.NotAfter.After(d.now) {
			continue
		}
		if d.want.OCSP != nil {
			d.askOCSP(pair)
		}
		if d.want.Renew.CRL {
			d.lookUp(pair)
		}
		if d.want.SCT != nil {
			d.handIn(pair)
		}
	}
}

// askOCSP asks for the response of a pair, and again when it is half-way
// through its life.
func (d *decision) askOCSP(pair Pair) {
	fact := d.known.StapleOf(pair)
	step := Step{Kind: KindOCSP, KeyType: pair.KeyType, Version: d.current.ID}
	anew := fact.Leaf == "" || fact.Config != d.want.OCSP.Config
	switch {
	case fact.Leaf == "":
		step.Reason = Reason{ReasonNotAsked, "no OCSP response of this certificate has been asked for"}
	case fact.Config != d.want.OCSP.Config:
		step.Reason = Reason{ReasonConfig, "who is asked, or when, changed in the config"}
	case fact.Missing:
		return // nobody can be asked; status says so
	case fact.GivenUp:
		step.Reason = Reason{ReasonRoutine, "the OCSP response ended on " + day(fact.Ends)}
	case fact.SHA256 == "":
		step.Reason = Reason{ReasonNotAsked, "no OCSP response was obtained yet"}
	default:
		step.Reason = Reason{ReasonRoutine, "the OCSP response ends on " + day(fact.Ends)}
	}
	switch {
	case anew:
		step.At = d.known.OCSP[pair.KeyType].Tries.imposed("", d.now)
	case fact.Tries.Count > 0 && d.skipsBackoff(fact.Tries):
		step.At, step.Asked = fact.Tries.imposed("", d.now), true
	default:
		step.At = later(fact.askAgain(d.now, d.want.Name), fact.waitsUntil(d.now))
	}
	d.add(step)
}

// How long after the instant at which a newer response may be expected it is
// asked for at the latest: many certificates are spread over that time by
// their names.
const stapleSpread = time.Hour

// askAgain is when a newer response is asked for.
func (s Staple) askAgain(now time.Time, name string) time.Time {
	if s.SHA256 == "" || ahead(s.Asked, now) {
		return time.Time{}
	}
	within := min(stapleSpread, max(0, s.Ends.Sub(s.AskAgain))/4)
	const slots = 1 << 10
	return s.AskAgain.Add(within / slots * time.Duration(spread(name)%slots))
}

// waitsUntil is when an attempt may follow that came to nothing. What is kept
// must not end while we wait as long as Backoff has it: a quarter of what is
// left of it is waited for at most, but an hour at least.
func (s Staple) waitsUntil(now time.Time) time.Time {
	if s.Tries.Count == 0 {
		return s.Tries.imposed("", now)
	}
	wait := s.Tries.ownWait(now)
	if !s.Ends.IsZero() {
		if soon := s.Tries.Last.Add(max(time.Hour, s.Ends.Sub(s.Tries.Last)/4)); soon.Before(wait) {
			wait = soon
		}
	}
	return later(wait, s.Tries.imposed("", now))
}

// handIn hands a pair to the logs that have given no receipt, and looks at the
// receipts that are in it.
func (d *decision) handIn(pair Pair) {
	facts := d.known.ReceiptsOf(pair)
	if facts.Checked != d.want.SCT.Config {
		d.add(Step{Kind: KindSCT, KeyType: pair.KeyType, Version: d.current.ID, Reason: Reason{ReasonNotAsked, "the receipts in the certificate have not been looked at"}})
	}
	for _, name := range d.want.SCT.Logs {
		fact := facts.Logs[name]
		if fact.SHA256 != "" {
			continue // once is enough: a receipt does not end
		}
		step := Step{Kind: KindSCT, KeyType: pair.KeyType, Version: d.current.ID, Log: name}
		step.Reason = Reason{ReasonNotAsked, "the log " + name + " has given no receipt"}
		switch {
		case fact.Config != d.want.SCT.Config:
			step.At = fact.Tries.imposed("", d.now)
		case fact.Tries.Count > 0 && d.skipsBackoff(fact.Tries):
			step.At, step.Asked = fact.Tries.imposed("", d.now), true
		default:
			step.At = fact.Tries.WaitsUntil(d.now)
		}
		d.add(step)
	}
}
