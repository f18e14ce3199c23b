package password

// Params are the costs of Argon2id (RFC 9106, section 3.1).
type Params struct {
	Memory  uint32 // KiB, 8 × Threads to 262144 (256 MiB)
	Time    uint32 // passes over the memory, 1 to 10
	Threads uint8  // lanes, 1 to 16
}

// Default is the OWASP row that asks for two passes: 19 MiB, one lane.
var Default = Params{Memory: 19456, Time: 2, Threads: 1}

const (
	maxMemory  = 256 << 10
	maxTime    = 10
	maxThreads = 16
)

// owasp is the Argon2id table of the OWASP Password Storage Cheat Sheet, which
// ASVS 5.0 repeats in its appendix C. Its rows are of like strength.
var owasp = [...]Params{
	{Memory: 47104, Time: 1, Threads: 1},
	{Memory: 19456, Time: 2, Threads: 1},
	{Memory: 12288, Time: 3, Threads: 1},
	{Memory: 9216, Time: 4, Threads: 1},
	{Memory: 7168, Time: 5, Threads: 1},
}

// Validate returns [ErrParams] unless every field is in its range. It asks for
// what the algorithm needs, not for what is safe: that is [Params.MeetsOWASP].
func (p Params) Validate() error {
	if p.Threads < 1 || p.Threads > maxThreads ||
		p.Time < 1 || p.Time > maxTime ||
		p.Memory < 8*uint32(p.Threads) || p.Memory > maxMemory {
		return ErrParams
	}
	return nil
}

// MeetsOWASP reports whether p is valid and at or above a row of OWASP's table
// in every field. A service uses no others for real passwords.
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
