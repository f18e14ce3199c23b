package password

// Params are the costs of Argon2id (RFC 9106, section 3.1).
type Params struct {
	Memory  uint32 // KiB, 8 × Threads to 262144 (256 MiB)
	Time    uint32 // passes over the memory, 1 to 10
	Threads uint8  // lanes, 1 to 16
}

// Default is the row of OWASP's table with two passes: 19 MiB, one lane.
var Default = Params{Memory: 19456, Time: 2, Threads: 1}

const (
	maxMemory  = 256 << 10
	maxTime    = 10
	maxThreads = 16
)

// owasp is the Argon2id table of the OWASP Password Storage Cheat Sheet, also in
// appendix C of ASVS 5.0. Its rows are about equally strong.
var owasp = [...]Params{
	{Memory: 47104, Time: 1, Threads: 1},
	{Memory: 19456, Time: 2, Threads: 1},
	{Memory: 12288, Time: 3, Threads: 1},
	{Memory: 9216, Time: 4, Threads: 1},
	{Memory: 7168, Time: 5, Threads: 1},
}

// Validate returns [ErrParams] unless every field is in its range. The ranges are what
// the algorithm needs, not what is safe; see [Params.MeetsOWASP].
func (p Params) Validate() error {
	if p.Threads < 1 || p.Threads > maxThreads ||
		p.Time < 1 || p.Time > maxTime ||
		p.Memory < 8*uint32(p.Threads) || p.Memory > maxMemory {
		return ErrParams
	}
	return nil
}

// MeetsOWASP reports whether p is valid and, in every field, at least a row of OWASP's
// table. A service uses only such costs for real passwords.
func (p Params) MeetsOWASP() bool {
	if p.Validate() != nil {
		return false
	}
	for _, row := range owasp {
		if p.Memory >= row.Memory && p.Time >= row.Time && p.Threads >= row.Threads {
			return true
		}
	}
	return false
}
