package jose

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"math/big"
	"strings"
	"testing"
)

// The primes of that library are k·M + (65537^a mod M), where M is the product of the first
// 126 primes. That k makes them prime is of no concern here.
func TestAModulusOfROCAIsRefused(t *testing.T) {
	product := big.NewInt(1)
	for n, p := 0, int64(2); n < 126; p++ {
		if big.NewInt(p).ProbablyPrime(0) {
			product.Mul(product, big.NewInt(p))
			n++
		}
	}
	prime := func(k, a int64) *big.Int {
		p := new(big.Int).Exp(big.NewInt(65537), big.NewInt(a), product)
		return p.Add(p, new(big.Int).Mul(new(big.Int).Lsh(big.NewInt(k), 50), product))
	}
	parse := func(n *big.Int) error {
		_, err := ParseKeys([]crypto.PublicKey{&rsa.PublicKey{N: n, E: 65537}}, func(int) string { return "the key" })
		return err
	}
	for a := range int64(10) {
		n := new(big.Int).Mul(prime(11+a, 1_000_003*a+1), prime(13+2*a, 7_000_001*a+2))
		if err := parse(n); err == nil || !strings.Contains(err.Error(), "ROCA") {
			t.Errorf("%d: %d bits, %v", a, n.BitLen(), err)
		}
		if err := parse(n.Add(n, big.NewInt(2))); err != nil {
			t.Errorf("%d, another modulus: %v", a, err)
		}
	}
	for range 5 {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			t.Fatal(err)
		}
		if err := parse(key.N); err != nil {
			t.Error(err)
		}
	}
}
