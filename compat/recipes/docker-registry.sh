# What docker push and docker pull ask of the registry that docs/clients/docker-registry.md starts.
registry=http://127.0.0.1:5055/v2
curl --fail --silent --retry 60 --retry-delay 1 --retry-connrefused --retry-all-errors "$registry/"
digest=sha256:$(sha256sum large.bin | cut -d' ' -f1)
bytes=$(stat --format=%s large.bin)
head -c 6000000 large.bin >first
tail -c +6000001 large.bin >second
# location CURL_ARGUMENTS...: where the registry wants the next request
location() { curl --fail --silent --show-error --dump-header - --output /dev/null "$@" |
  tr -d '\r' | sed -n 's/^[Ll]ocation: //p'; }
at=$(location --request POST "$registry/photos/blobs/uploads/")
at=$(location --request PATCH --data-binary @first --header 'content-type: application/octet-stream' "$at")
at=$(location --request PATCH --data-binary @second --header 'content-type: application/octet-stream' "$at")
at=$(location --request PUT "$at&digest=$digest")
layer="{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar\",\"size\":$bytes,\"digest\":\"$digest\"}"
config="{\"mediaType\":\"application/vnd.oci.image.config.v1+json\",\"size\":$bytes,\"digest\":\"$digest\"}"
kind=application/vnd.oci.image.manifest.v1+json
printf '{"schemaVersion":2,"mediaType":"%s","config":%s,"layers":[%s]}' "$kind" "$config" "$layer" >manifest
curl --fail --silent --show-error --request PUT --data-binary @manifest --header "content-type: $kind" \
  "$registry/photos/manifests/latest"
curl --fail --silent --show-error --header "accept: $kind" "$registry/photos/manifests/latest" >manifest.back
cmp manifest manifest.back
# The layer comes by redirect, from the gateway.
[[ $(location "$registry/photos/blobs/$digest") == *X-Amz-Signature* ]]
curl --fail --silent --show-error --location "$registry/photos/blobs/$digest" >large.back
cmp large.bin large.back
