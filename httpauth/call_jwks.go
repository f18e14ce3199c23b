package httpauth

// keySet and publicKey document what [auth.Manager.JWKS] writes.
type keySet struct {
	Keys []publicKey `json:"keys"`
}

type publicKey struct {
	Kty string `json:"kty" example:"OKP"`
	Alg string `json:"alg" example:"EdDSA" doc:"EdDSA, ES256 or RS256."`
	Use string `json:"use" enum:"sig" example:"sig"`
	Kid string `json:"kid" example:"kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k" doc:"The thumbprint of RFC 7638; the kid in the header of tokens."`
	Crv string `json:"crv,omitempty" example:"Ed25519"`
	X   string `json:"x,omitempty" example:"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"`
	Y   string `json:"y,omitempty"`
	N   string `json:"n,omitempty"`
	E   string `json:"e,omitempty"`
}

func (h *Handler) getJWKS(*call) (any, error) { return h.jwks, nil }
