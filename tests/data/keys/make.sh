#!/usr/bin/env bash
# make.sh FOLDER    makes the keys and certificates of this folder anew, with OpenSSL 3.0. Tests read what is
# committed and need no openssl. Every password is "secret". Each line is what an administrator would type.
set -euo pipefail
cd "$1"
rm -f ./*.pem ./*.txt

# --- one key of each kind, with a certificate
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out rsa.pkcs8.pem
for bits in 256 384 521; do
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-$bits -out p$bits.pkcs8.pem
done
openssl genpkey -algorithm ED25519 -out ed25519.pkcs8.pem
for kind in rsa p256 p384 p521 ed25519; do
    openssl req -x509 -new -key $kind.pkcs8.pem -days 36500 -subj /O=agents/OU=monitoring/CN=$kind \
        -addext basicConstraints=critical,CA:FALSE -addext extendedKeyUsage=clientAuth -out $kind.certificate.pem
done

# --- the other unencrypted forms
openssl rsa -traditional -in rsa.pkcs8.pem -out rsa.pkcs1.pem
for bits in 256 384 521; do
    openssl ec -in p$bits.pkcs8.pem -out p$bits.sec1.pem
done
{ openssl ecparam -name prime256v1; cat p256.sec1.pem; } > p256.sec1-parameters.pem
openssl ec -in p256.pkcs8.pem -no_public -out p256.sec1-no-public.pem

# --- PBES2: ciphers, pseudorandom functions, scrypt
pbes2() { # pbes2 KEY NAME OPTION...
    openssl pkcs8 -topk8 -in "$1.pkcs8.pem" -passout pass:secret -out "$1.pbes2-$2.pem" "${@:3}"
}
pbes2 rsa aes128-sha1 -v2 aes-128-cbc -v2prf hmacWithSHA1
pbes2 rsa aes192-sha224 -v2 aes-192-cbc -v2prf hmacWithSHA224
pbes2 rsa aes256-sha256 -v2 aes-256-cbc -v2prf hmacWithSHA256
pbes2 rsa aes256-sha384 -v2 aes-256-cbc -v2prf hmacWithSHA384
pbes2 rsa aes256-sha512 -v2 aes-256-cbc -v2prf hmacWithSHA512 -iter 20000
pbes2 rsa 3des-sha1 -v2 des-ede3-cbc -v2prf hmacWithSHA1
pbes2 rsa scrypt -scrypt
for kind in p256 p384 p521 ed25519; do
    pbes2 $kind aes256-sha256 -v2 aes-256-cbc
done
pbes2 ed25519 scrypt -scrypt

# --- the traditional encryption: Proc-Type and DEK-Info
for cipher in aes128 aes192 aes256 des3; do
    openssl rsa -traditional -in rsa.pkcs8.pem -$cipher -passout pass:secret -out rsa.dek-$cipher.pem
    openssl ec -in p256.pkcs8.pem -$cipher -passout pass:secret -out p256.dek-$cipher.pem
done

# --- what is refused
pbes2 rsa costly -v2 aes-256-cbc -iter 10000001
openssl pkcs8 -topk8 -in rsa.pkcs8.pem -v1 PBE-SHA1-3DES -passout pass:secret -out rsa.pbe-sha1-3des.pem
openssl pkcs8 -topk8 -in rsa.pkcs8.pem -v1 PBE-MD5-DES -passout pass:secret -out rsa.pbe-md5-des.pem \
    -provider legacy -provider default
pbes2 rsa camellia -v2 camellia-256-cbc
openssl rsa -traditional -in rsa.pkcs8.pem -camellia256 -passout pass:secret -out rsa.dek-camellia256.pem
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024 -out refused.rsa1024.pem
openssl rsa -traditional -in refused.rsa1024.pem -out refused.rsa1024-pkcs1.pem
openssl genpkey -algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048 -out refused.rsa-pss.pem
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:secp256k1 -out refused.secp256k1.pem
openssl ec -in refused.secp256k1.pem -out refused.secp256k1-sec1.pem
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:secp256k1 -pkeyopt ec_param_enc:explicit \
    -out refused.explicit.pem
openssl genpkey -algorithm ED448 -out refused.ed448.pem
openssl genpkey -algorithm X25519 -out refused.x25519.pem
openssl dsaparam -noout -genkey 2048 | openssl pkcs8 -topk8 -nocrypt -out refused.dsa.pem
ssh-keygen -q -t ed25519 -N '' -C '' -f refused.openssh.pem && rm refused.openssh.pem.pub

# --- binary containers
openssl pkcs12 -export -inkey ed25519.pkcs8.pem -in ed25519.certificate.pem -passout pass:secret -out refused.p12
openssl pkcs8 -topk8 -nocrypt -in ed25519.pkcs8.pem -outform DER -out refused.pkcs8.der
openssl pkcs8 -topk8 -in ed25519.pkcs8.pem -passout pass:secret -outform DER -out refused.encrypted.der
openssl rsa -in rsa.pkcs8.pem -traditional -outform DER -out refused.pkcs1.der
openssl x509 -in ed25519.certificate.pem -outform DER -out refused.certificate.der
openssl crl2pkcs7 -nocrl -certfile ed25519.certificate.pem -outform DER -out refused.p7b

# --- names: one certificate with odd values, one with each attribute that OpenSSL knows
cat > names.cnf <<'CNF'
oid_section = oids
[oids]
odd = 1.2.3.4.5
[req]
distinguished_name = empty
[empty]
CNF
name() { # name FILE SUBJECT OPTION...
    openssl req -x509 -new -key p256.pkcs8.pem -days 36500 -utf8 -subj "$2" -out "names-$1.pem" "${@:3}"
    openssl x509 -in "names-$1.pem" -noout -subject -nameopt RFC2253 | sed 's/^subject=//' > "names-$1.txt"
}
name odd "/DC=org/DC=acme/C=DE/O=Acme, \"Inc\"/OU=ops+CN=büro x\\+y+UID=7/emailAddress=a@b.c/odd=value\
/businessCategory=Private/CN=#a;<b>=\\\\c/OU= two  /L=$(printf 'a\nforged\177line')" -config names.cnf -multivalue-rdn
name known '/CN=v/SN=v/serialNumber=v/C=DE/L=v/ST=v/street=v/O=v/OU=v/title=v/description=v/searchGuide=v'\
'/businessCategory=v/postalAddress=v/postalCode=v/postOfficeBox=v/physicalDeliveryOfficeName=v'\
'/telephoneNumber=v/telexNumber=v/teletexTerminalIdentifier=v/facsimileTelephoneNumber=v/x121Address=v'\
'/internationaliSDNNumber=v/registeredAddress=v/destinationIndicator=v/preferredDeliveryMethod=v/member=v'\
'/owner=v/roleOccupant=v/seeAlso=v/name=v/GN=v/initials=v/generationQualifier=v/x500UniqueIdentifier=v'\
'/dnQualifier=v/distinguishedName=v/uniqueMember=v/houseIdentifier=v/dmdName=v/pseudonym=v/role=v'\
'/organizationIdentifier=v/UID=v/mail=v/info=v/host=v/DC=v/uid=v/emailAddress=v/unstructuredName=v'\
'/unstructuredAddress=v/jurisdictionL=v/jurisdictionST=v/jurisdictionC=DE' -config names.cnf
rm names.cnf
