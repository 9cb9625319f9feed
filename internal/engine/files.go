package engine

import (
	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/deploy"
)

// InstalledFiles lists the files that Certkeep installs for a certificate, with
// what each of them holds.
func InstalledFiles(cfg *config.Config, cert *config.Certificate) ([]deploy.HookFile, error) {
	p := &parts{cfg: cfg}
	var files []deploy.HookFile
	for _, t := range cert.Targets() {
		target, err := p.target(cert, t)
		if err != nil {
			return nil, err
		}
		more, err := target.HookFiles()
		if err != nil {
			return nil, err
		}
		files = append(files, more...)
	}
	return files, nil
}
