// Package scale measures full stores: how fast they fill, how large they become, and
// what a request costs at each power of ten of users. It is a test with the build tag
// scale and needs Linux. Run it with make scale.
package scale
