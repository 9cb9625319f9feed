package config

// pidFileKey is a file for programs that look for the process there.
func pidFileKey() key[Config] {
	return field("pid_file", absolute("/run/certkeep.pid"), func(c *Config) *string { return &c.PIDFile }, about{
		doc: "File with the number of the process that works on the state, for programs that look for it there. It is there while `run`, or a command that changes something, holds the state, which has a lock of its own.", standard: "none", example: "/run/certkeep.pid", off: true,
	})
}
