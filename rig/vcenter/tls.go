package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha1" // vSphere's thumbprints are SHA-1
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// authority issues certificates for loopback, or lets each sign itself.
type authority struct {
	selfSigned bool
	key        *ecdsa.PrivateKey
	cert       *x509.Certificate
}

func newAuthority(selfSigned bool, again *memory) (*authority, error) {
	a := &authority{selfSigned: selfSigned}
	if again.authority(a) {
		return a, nil
	}
	template := certificate("Simulated VMCA")
	template.IsCA, template.KeyUsage = true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign
	var err error
	if a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, a.key.Public(), a.key)
	if err != nil {
		return nil, err
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		return nil, err
	}
	return a, again.keep(a)
}

// issue makes a new key and certificate for 127.0.0.1 and localhost.
func (a *authority) issue(name string) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := certificate(name)
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	template.DNSNames = []string{"localhost"}
	template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	parent, signer := a.cert, a.key
	if a.selfSigned {
		template.IsCA, template.KeyUsage = true, template.KeyUsage|x509.KeyUsageCertSign
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

// pem is what a client must trust to accept the certificate.
func (a *authority) pem(leaf *tls.Certificate) string {
	der := a.cert.Raw
	if a.selfSigned {
		der = leaf.Certificate[0]
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func certificate(name string) *x509.Certificate {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		panic(err) // crypto/rand never fails on the platforms we run on
	}
	return &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(7 * 24 * time.Hour),
		BasicConstraintsValid: true,
	}
}

// endpoint is a TLS listener on loopback whose certificate can change while it runs.
type endpoint struct {
	name     string
	ca       *authority
	listener net.Listener
	server   *http.Server

	mu   sync.Mutex
	cert *tls.Certificate
}

// listen opens an endpoint; serve starts it.
func listen(name string, ca *authority, port int) (*endpoint, error) {
	e := &endpoint{name: name, ca: ca}
	if err := e.renew(); err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return nil, err
	}
	e.listener = tls.NewListener(listener, &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{*e.certificate()}}, nil
		},
	})
	return e, nil
}

func (e *endpoint) serve(handler http.Handler) {
	e.server = &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}
	go func() { _ = e.server.Serve(e.listener) }()
}

// renew gives the endpoint a new certificate.
func (e *endpoint) renew() error {
	cert, err := e.ca.issue(e.name)
	if err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.cert = cert
	return nil
}

func (e *endpoint) certificate() *tls.Certificate {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.cert
}

func (e *endpoint) port() int { return e.listener.Addr().(*net.TCPAddr).Port }

// thumbprint is the SHA-1 of the certificate as vSphere writes it: upper case, with colons.
func (e *endpoint) thumbprint() string {
	sum := sha1.Sum(e.certificate().Certificate[0])
	return colons(sum[:])
}

// fingerprint is the SHA-256 of the certificate in the same form.
func (e *endpoint) fingerprint() string {
	sum := sha256.Sum256(e.certificate().Certificate[0])
	return colons(sum[:])
}

func colons(sum []byte) string {
	words := make([]string, len(sum))
	for i, b := range sum {
		words[i] = fmt.Sprintf("%02X", b)
	}
	return strings.Join(words, ":")
}
