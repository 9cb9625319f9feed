package config

import "slices"

// fileParts are what a file may hold.
func fileParts() []Part {
	return []Part{PartKey, PartCertificate, PartChain, PartFullchain, PartRoot, PartDHParams, PartECParams, PartPKCS12, PartPKCS12Legacy, PartJKS, PartDERKey, PartDERCertificate, PartBackupKey, PartPreviousKey}
}

// binary reports whether a part is no PEM, and so a file by itself.
func (p Part) binary() bool {
	return p.keystore() || p == PartDERKey || p == PartDERCertificate
}

// otherKey reports whether a part is a key beside the one of the certificate.
func (p Part) otherKey() bool { return p == PartBackupKey || p == PartPreviousKey }

// keystore reports whether a part is a file under a password.
func (p Part) keystore() bool { return p == PartPKCS12 || p == PartPKCS12Legacy || p == PartJKS }

// holdsKey reports whether a file holds a private key.
func (f File) holdsKey() bool {
	return slices.ContainsFunc(f.Content, func(p Part) bool { return p == PartKey || p == PartDERKey || p.otherKey() || p.keystore() })
}
