// Package scale measures stores that are full: how fast they fill, how large they
// become, and what a request costs on them at each power of ten of users. It is a
// test with the build tag scale, and needs Linux: make scale.
package scale
