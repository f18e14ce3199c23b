package jose

import "math/big"

// isROCA reports whether a modulus is one of those that a faulty library of smart cards and
// TPMs made (CVE-2017-15361). Anybody can factor them. The remainder for each of these primes
// is a power of 65537. Of other moduli that is true of one in 200 million.
func isROCA(modulus *big.Int) bool {
	for _, p := range []int64{
		3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97,
		101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
	} {
		rest := new(big.Int).Mod(modulus, big.NewInt(p)).Int64()
		power := int64(1)
		for n := int64(0); power != rest; n++ {
			if n == p {
				return false
			}
			power = power * 65537 % p
		}
	}
	return true
}
