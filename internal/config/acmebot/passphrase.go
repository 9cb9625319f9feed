package acmebot

// passphraseTo says where the passphrase of a key comes from.
func (t *translator) passphraseTo(to object, k *privateKey) {
	if !k.encrypted() {
		return
	}
	o := k.option("key_passphrase")
	to.set("passphrase_env", o.source().text("ACMEBOT_PASSPHRASE"))
}
