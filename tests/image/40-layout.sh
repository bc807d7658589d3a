#!/usr/bin/env bash
# Node image, step 5: folders and settings of a cluster node: file store tree, R library, user, what PID 1 runs.
#
# Runs as root inside the image; may be run twice.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

for unit in Admin Family Criminal Consumer IT; do
    mkdir -p "/dbfs/FileStore/$unit/init_scripts" "/dbfs/FileStore/$unit"/lib/{debs,python,R}
done

mkdir -p /databricks/{init_scripts,jars,driver/conf,spark/conf,spark/R/lib}
printf '14.3' > /databricks/DBR_VERSION

# The runtime's R library comes first; packages come from the node's own repository.
library=/databricks/spark/R/lib
if ! grep -q "^R_LIBS_SITE=.*$library" /etc/R/Renviron.site; then
    echo "R_LIBS_SITE=\"$library:\${R_LIBS_SITE}\"" >> /etc/R/Renviron.site
fi
cat > /etc/R/Rprofile.site <<'R'
options(repos = c(CRAN = "http://127.0.0.1:3838"))
R

if ! id analyst > /dev/null 2>&1; then
    useradd --create-home --uid 1000 --shell /bin/bash analyst
fi

install -m 755 "$here/node-init.sh" /usr/local/sbin/node-init
