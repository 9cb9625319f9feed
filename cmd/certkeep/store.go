package main

import (
	"bytes"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/certkeep/certkeep/internal/durable"
)

func (a *app) storeCommand() *cobra.Command {
	return group(
		"store", "Care for what Certkeep remembers",
		a.storeBackupCommand(), a.storeStatusCommand(), a.storeKeyCommand(), a.storeSealCommand(), a.storeRotateCommand(),
		a.storeDropKeysCommand(), a.storeUnsealCommand(), a.storeOpenCommand(),
	)
}

func (a *app) storeBackupCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "backup FILE",
		Short: "Write all records to a tar archive, also while the daemon runs",
		Long: "Writes accounts, private keys, certificates and all other records of the state folder to\n" +
			"a tar archive that only its owner may read. Nothing has to be stopped for it. To restore\n" +
			"it, unpack it into an empty folder: mkdir -m 700 STATE && tar -xpf FILE -C STATE",
		Args: allArgs(atLeast(1, "the name of the file to write"), atMost(1)),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			_, s, err := a.reader(cmd.Context())
			if err != nil {
				return err
			}
			path, err := filepath.Abs(args[0])
			if err != nil {
				return err
			}
			var archive bytes.Buffer
			if err := s.Backup(cmd.Context(), &archive); err != nil {
				return err
			}
			if err := durable.Write(durable.OS{}, path, archive.Bytes(), durable.Private()); err != nil {
				return fmt.Errorf("write the backup: %w", err)
			}
			known, err := s.KnownSeal(cmd.Context())
			if err != nil {
				return err
			}
			if known != nil {
				a.ui.say("%s holds all records; its secrets are sealed, and nothing without store key %s, which is not in it", path, known.Key)
				return nil
			}
			a.ui.say("%s holds all records, private keys included: guard it", path)
			return nil
		},
	}
}
