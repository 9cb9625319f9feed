package acmebot

import (
	"maps"
	"slices"
)

// sections are the sections of a configuration with the keys of each; nil
// stands for names of the administrator's choice.
func sections() map[string][]string {
	return map[string][]string{
		"account":           {"email"},
		"settings":          settingKeys(),
		"directories":       directoryKeys(),
		"file_names":        fileNameKeys(),
		"key_type_suffixes": {"rsa", "ecdsa"},
		"hooks":             Hooks(),
		"hpkp_headers":      nil,
		"ct_logs":           nil,
		"services":          nil,
		"certificates":      nil,
		"private_keys":      nil,
		"authorizations":    nil,
		"http_challenges":   nil,
		"zone_update_keys":  nil,
	}
}

func sectionNames() []string { return slices.Sorted(maps.Keys(sections())) }

// keyKeys are the keys of a private key, which settings have for all of them.
func keyKeys() []string {
	return []string{
		"key_types", "key_size", "key_curve", "key_cipher", "key_passphrase", "key_provided",
		"expiration_days", "auto_rollover", "hpkp_days", "pin_subdomains", "hpkp_report_uri",
	}
}

// sharedCertificateKeys are the keys of a certificate that settings have too.
func sharedCertificateKeys() []string {
	return []string{
		"dhparam_size", "ecparam_curve", "ocsp_must_staple", "ocsp_responder_urls", "ct_submit_logs", "verify", "services",
	}
}

// certificateKeys are the keys of a certificate on a private key.
func certificateKeys() []string {
	return append(sharedCertificateKeys(), "common_name", "alt_names", "tlsa_records", "key_types")
}

func settingKeys() []string {
	return slices.Concat(keyKeys(), sharedCertificateKeys(), []string{
		"follower_mode", "slave_mode", "log_level", "color_output", "file_user", "file_group", "log_user", "log_group",
		"warning_exit_code", "renewal_days", "max_dns_lookup_attempts", "dns_lookup_delay", "max_domains_per_order",
		"max_authorization_attempts", "authorization_delay", "cert_poll_time", "max_ocsp_verify_attempts",
		"ocsp_verify_retry_delay", "min_run_delay", "max_run_delay", "acme_directory_url", "acme_directory_verify_ssl",
		"acme_directory_roots_file", "store_key_file", "reload_zone_command", "nsupdate_command", "public_suffix_list_url",
	})
}

func directoryKeys() []string {
	return []string{
		"pid", "log", "resource", "private_key", "backup_key", "previous_key", "full_key", "certificate", "full_certificate",
		"chain", "param", "challenge", "http_challenge", "hpkp", "ocsp", "sct", "update_key", "archive", "temp",
	}
}

func fileNameKeys() []string {
	return []string{
		"log", "private_key", "backup_key", "previous_key", "full_key", "certificate", "full_certificate", "chain", "param",
		"challenge", "hpkp", "ocsp", "sct",
	}
}

// Keys are all keys that acmebot knows, by section. The keys of entries whose
// names the administrator chooses stand under the section and "[]".
func Keys() map[string][]string {
	all := sections()
	all["private_keys[]"] = append(keyKeys(), "certificates")
	all["certificates[]"] = append(keyKeys(), certificateKeys()...)
	all["tlsa_records[]"] = tlsaKeys()
	all["verify[]"] = verifyKeys()
	all["zone_update_keys[]"] = updateKeys()
	all["ct_logs[]"] = logKeys()
	return all
}

func tlsaKeys() []string {
	return []string{"host", "port", "usage", "selector", "protocol", "ttl"}
}

func verifyKeys() []string { return []string{"port", "starttls", "protocol", "hosts", "key_types"} }

func updateKeys() []string { return []string{"file", "server", "port"} }

func logKeys() []string { return []string{"url", "id", "log_id", "key", "start", "end"} }
