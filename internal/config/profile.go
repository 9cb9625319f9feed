package config

// profileKey is the profile of orders.
func profileKey[T any](at func(*T) *Settings) key[T] {
	return field("profile", wordsOf("the name of a profile", "tlsserver"), func(t *T) *string { return &at(t).Profile }, about{
		doc: "ACME profile, as the CA names it.", standard: "the issuer's", example: "tlsserver", off: true,
	})
}

// profileMandatoryKey says what becomes of an order where a CA does not offer
// the profile.
func profileMandatoryKey[T any](at func(*T) *Settings) key[T] {
	return inherited(field("profile_mandatory", truth(), func(t *T) *bool { return &at(t).ProfileMandatory }, about{
		doc: "Whether nothing is ordered from a CA that does not offer the profile. With false the CA then chooses, also the next one of `issuer`, and a problem tells of it; the next renewal asks for the profile again.",
	}), truth().show(true))
}
