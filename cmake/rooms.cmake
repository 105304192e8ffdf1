# The ONE list of rooms: what each knows below it, and which libraries it links. tools/tidy reads this file too
# and fails on an #include that is not listed here. Add an edge only with a reason in docs/ARCHITECTURE.md.
#
#   room(<name> INCLUDES <rooms...> LIBS <imported targets or -l names...>)

room(base)
room(codec        INCLUDES base
                  LIBS simdjson yaml isal zstd crypto)
room(sys          INCLUDES base
                  LIBS seccomp)
room(io           INCLUDES base codec sys
                  LIBS ssl crypto nghttp2)
room(api          INCLUDES base codec io
                  LIBS re2)
room(store        INCLUDES base codec sys io
                  LIBS lmdb)
room(image        INCLUDES base codec sys io api)
room(runtime      INCLUDES base codec sys io)
room(network      INCLUDES base codec sys io api)
room(engine       INCLUDES base codec sys io api store image runtime network)
room(controlplane INCLUDES base codec io api store)
room(node         INCLUDES base codec sys io api engine network)
room(app          INCLUDES base codec sys io api store image runtime network engine controlplane node)
