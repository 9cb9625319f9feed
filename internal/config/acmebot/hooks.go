package acmebot

// hooksTo says what is run at events: acmebot's shell texts.
func (t *translator) hooksTo(out object, in table) {
	for _, p := range in.pairs() {
		o := in.option(p.Key)
		text := o.text("")
		if text == "" {
			continue
		}
		s := o.source()
		hooks := out.v.get("hooks")
		if hooks == nil {
			hooks = out.child("hooks", s).v
		}
		object{s: s, v: hooks}.child("acmebot-"+p.Key, s).child("command", s).set("shell", s.text(text))
	}
}
