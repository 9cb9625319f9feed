package plan

import (
	"fmt"
	"strings"
	"time"
)

// rolloverPatience is how long a change of keys may take before a person is
// told of it.
const rolloverPatience = 24 * time.Hour

// keyProblems tells of the keys of a certificate, where they outlive it.
func (d *diagnosis) keyProblems() {
	if d.want.Keys == "" {
		return
	}
	known := d.world.Known.KeysOf(d.want.Keys)
	switch {
	case known.Newer:
		d.add(CodeNewer, "", fmt.Sprintf("keys %s: %s", d.want.Keys, known.Damage), nil, time.Time{})
		return
	case known.Damage != "":
		d.add(CodeKeysDamaged, "", fmt.Sprintf("keys %s: %s", d.want.Keys, known.Damage), nil, time.Time{})
		return
	}
	if tries := known.Tries; tries.Count > 0 && tries.Fault != nil {
		d.add(tries.Fault.Code, "", tries.Fault.Words, tries.Fault.Detail, tries.Fault.At)
	}
	for _, want := range d.world.Wanted.Keys {
		if want.Name == d.want.Keys {
			d.keyAge(want, known)
		}
	}
	if r := known.Rolling; r != nil && d.now.Sub(r.At) > rolloverPatience {
		d.add(CodeRollover, "", fmt.Sprintf("keys %s have been about to change since %s (%s)", d.want.Keys, day(r.At), r.Reason.Words), d.waitedFor(), r.At)
	}
}

// keyAge tells of keys that should change, and do not by themselves.
func (d *diagnosis) keyAge(want WantedKeys, known *KnownKeys) {
	putOff := known.putOffUntil(d.now, want)
	if want.Expires <= 0 || want.AutoRollover && !putOff.After(d.now) || known.Rolling != nil {
		return
	}
	var old []string
	var since time.Time
	for _, keyType := range want.KeyTypes {
		key := known.Keys[keyType].Primary
		if age := d.now.Sub(key.Since); !key.IsZero() && age >= want.Expires {
			old = append(old, fmt.Sprintf("the %s key is %s old", keyType, span(age)))
			since = key.Since.Add(want.Expires)
		}
	}
	if want.AutoRollover && len(old) > 0 {
		old = append(old, "a person gave up their change, which begins by itself on "+day(putOff))
	}
	if len(old) > 0 {
		d.add(CodeKeyAge, "", fmt.Sprintf("keys %s: %s", want.Name, strings.Join(old, ", ")), nil, since)
	}
}

// waitedFor are the certificates that are not there on the new keys, and why.
func (d *diagnosis) waitedFor() []string {
	var lines []string
	for _, want := range d.world.Wanted.Certs {
		if want.Keys != d.want.Keys {
			continue
		}
		dec := &decision{now: d.now, world: d.world}
		dec.take(want)
		if !dec.has {
			continue
		}
		for _, keyType := range dec.behind(dec.keys.Rolling) {
			line := fmt.Sprintf("waits for the %s certificate of %s", keyType, want.Name)
			if fault := dec.tries(keyType).Fault; fault != nil {
				line += ": " + fault.Words
			}
			lines = append(lines, line)
		}
	}
	return lines
}
