//! Names of countries by their codes, as the platform's targets write them: the English names of ISO
//! 3166-1, in small letters but for the first.

/// Whether a text is one of the names, in any case of its letters.
pub(super) fn is_name(text: &str) -> bool {
    let text = text.trim().to_lowercase();
    COUNTRIES.iter().any(|(_, name)| name.to_lowercase() == text)
}

/// The name of a country whose code is known; anything else as it is.
pub(super) fn name(code: &str) -> &str {
    let found = COUNTRIES.binary_search_by_key(&code, |(known, _)| known);
    found.map_or(code, |at| COUNTRIES[at].1)
}

/// In the order of the codes.
#[rustfmt::skip]
const COUNTRIES: &[(&str, &str)] = &[
    ("AD", "Andorra"), ("AE", "United arab emirates"), ("AF", "Afghanistan"),
    ("AG", "Antigua and barbuda"), ("AI", "Anguilla"), ("AL", "Albania"), ("AM", "Armenia"),
    ("AN", "Netherlands antilles"), ("AO", "Angola"), ("AQ", "Antarctica"), ("AR", "Argentina"),
    ("AS", "American samoa"), ("AT", "Austria"), ("AU", "Australia"), ("AW", "Aruba"),
    ("AZ", "Azerbaijan"), ("BA", "Bosnia and herzegovina"), ("BB", "Barbados"),
    ("BD", "Bangladesh"), ("BE", "Belgium"), ("BF", "Burkina faso"), ("BG", "Bulgaria"),
    ("BH", "Bahrain"), ("BI", "Burundi"), ("BJ", "Benin"), ("BM", "Bermuda"),
    ("BN", "Brunei darussalam"), ("BO", "Bolivia"), ("BR", "Brazil"), ("BS", "Bahamas"),
    ("BT", "Bhutan"), ("BV", "Bouvet island"), ("BW", "Botswana"), ("BY", "Belarus"),
    ("BZ", "Belize"), ("CA", "Canada"), ("CC", "Cocos (keeling) islands"),
    ("CD", "Congo, the democratic republic of"), ("CF", "Central african republic"),
    ("CG", "Congo"), ("CH", "Switzerland"), ("CI", "Côte d'ivoire"), ("CK", "Cook islands"),
    ("CL", "Chile"), ("CM", "Cameroon"), ("CN", "China"), ("CO", "Colombia"), ("CR", "Costa rica"),
    ("CS", "Serbia and montenegro"), ("CU", "Cuba"), ("CV", "Cape verde"),
    ("CX", "Christmas island"), ("CY", "Cyprus"), ("CZ", "Czech republic"), ("DE", "Germany"),
    ("DJ", "Djibouti"), ("DK", "Denmark"), ("DM", "Dominica"), ("DO", "Dominican republic"),
    ("DZ", "Algeria"), ("EC", "Ecuador"), ("EE", "Estonia"), ("EG", "Egypt"),
    ("EH", "Western sahara"), ("ER", "Eritrea"), ("ES", "Spain"), ("ET", "Ethiopia"),
    ("FI", "Finland"), ("FJ", "Fiji"), ("FK", "Falkland islands (malvinas)"),
    ("FM", "Micronesia, federated states of"), ("FO", "Faroe islands"), ("FR", "France"),
    ("GA", "Gabon"), ("GB", "United kingdom"), ("GD", "Grenada"), ("GE", "Georgia"),
    ("GF", "French guiana"), ("GH", "Ghana"), ("GI", "Gibraltar"), ("GL", "Greenland"),
    ("GM", "Gambia"), ("GN", "Guinea"), ("GP", "Guadeloupe"), ("GQ", "Equatorial guinea"),
    ("GR", "Greece"), ("GS", "South georgia and south sandwich islands"), ("GT", "Guatemala"),
    ("GU", "Guam"), ("GW", "Guinea-bissau"), ("GY", "Guyana"), ("HK", "Hong kong"),
    ("HM", "Heard island and mcdonald islands"), ("HN", "Honduras"), ("HR", "Croatia"),
    ("HT", "Haiti"), ("HU", "Hungary"), ("ID", "Indonesia"), ("IE", "Ireland"), ("IL", "Israel"),
    ("IN", "India"), ("IO", "British indian ocean territory"), ("IQ", "Iraq"),
    ("IR", "Iran, islamic republic of"), ("IS", "Iceland"), ("IT", "Italy"), ("JM", "Jamaica"),
    ("JO", "Jordan"), ("JP", "Japan"), ("KE", "Kenya"), ("KG", "Kyrgyzstan"), ("KH", "Cambodia"),
    ("KI", "Kiribati"), ("KM", "Comoros"), ("KN", "Saint kitts and nevis"),
    ("KP", "Korea, democratic people's republic of"), ("KR", "Korea, republic of"),
    ("KW", "Kuwait"), ("KY", "Cayman islands"), ("KZ", "Kazakhstan"),
    ("LA", "Lao people's democratic republic"), ("LB", "Lebanon"), ("LC", "Saint lucia"),
    ("LI", "Liechtenstein"), ("LK", "Sri lanka"), ("LR", "Liberia"), ("LS", "Lesotho"),
    ("LT", "Lithuania"), ("LU", "Luxembourg"), ("LV", "Latvia"), ("LY", "Libyan arab jamahiriya"),
    ("MA", "Morocco"), ("MC", "Monaco"), ("MD", "Moldova, republic of"), ("MG", "Madagascar"),
    ("MH", "Marshall islands"), ("MK", "Macedonia, the former yugoslav republic of"),
    ("ML", "Mali"), ("MM", "Myanmar"), ("MN", "Mongolia"), ("MO", "Macao"),
    ("MP", "Northern mariana islands"), ("MQ", "Martinique"), ("MR", "Mauritania"),
    ("MS", "Montserrat"), ("MT", "Malta"), ("MU", "Mauritius"), ("MV", "Maldives"),
    ("MW", "Malawi"), ("MX", "Mexico"), ("MY", "Malaysia"), ("MZ", "Mozambique"), ("NA", "Namibia"),
    ("NC", "New caledonia"), ("NE", "Niger"), ("NF", "Norfolk island"), ("NG", "Nigeria"),
    ("NI", "Nicaragua"), ("NL", "Netherlands"), ("NO", "Norway"), ("NP", "Nepal"), ("NR", "Nauru"),
    ("NU", "Niue"), ("NZ", "New zealand"), ("OM", "Oman"), ("PA", "Panama"), ("PE", "Peru"),
    ("PF", "French polynesia"), ("PG", "Papua new guinea"), ("PH", "Philippines"),
    ("PK", "Pakistan"), ("PL", "Poland"), ("PM", "Saint pierre and miquelon"), ("PN", "Pitcairn"),
    ("PR", "Puerto rico"), ("PS", "Palestinian territory, occupied"), ("PT", "Portugal"),
    ("PW", "Palau"), ("PY", "Paraguay"), ("QA", "Qatar"), ("RE", "Réunion"), ("RO", "Romania"),
    ("RU", "Russian federation"), ("RW", "Rwanda"), ("SA", "Saudi arabia"),
    ("SB", "Solomon islands"), ("SC", "Seychelles"), ("SD", "Sudan"), ("SE", "Sweden"),
    ("SG", "Singapore"), ("SH", "Saint helena"), ("SI", "Slovenia"),
    ("SJ", "Svalbard and jan mayen"), ("SK", "Slovakia"), ("SL", "Sierra leone"),
    ("SM", "San marino"), ("SN", "Senegal"), ("SO", "Somalia"), ("SR", "Suriname"),
    ("ST", "Sao tome and principe"), ("SV", "El salvador"), ("SY", "Syrian arab republic"),
    ("SZ", "Swaziland"), ("TC", "Turks and caicos islands"), ("TD", "Chad"),
    ("TF", "French southern territories"), ("TG", "Togo"), ("TH", "Thailand"), ("TJ", "Tajikistan"),
    ("TK", "Tokelau"), ("TL", "Timor"), ("TM", "Turkmenistan"), ("TN", "Tunisia"), ("TO", "Tonga"),
    ("TR", "Turkey"), ("TT", "Trinidad and tobago"), ("TV", "Tuvalu"),
    ("TW", "Taiwan, province of china"), ("TZ", "Tanzania, united republic of"), ("UA", "Ukraine"),
    ("UG", "Uganda"), ("UM", "United states minor outlying islands"), ("US", "United states"),
    ("UY", "Uruguay"), ("UZ", "Uzbekistan"), ("VC", "Saint vincent and the grenadines"),
    ("VG", "Virgin islands, british"), ("VI", "Virgin islands, u.s."), ("VN", "Viet nam"),
    ("VU", "Vanuatu"), ("WF", "Wallis and futuna"), ("WS", "Samoa"), ("YE", "Yemen"),
    ("YT", "Mayotte"), ("ZA", "South africa"), ("ZW", "Zimbabwe"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_known_and_all_else_stays() {
        assert!(COUNTRIES.is_sorted_by_key(|(code, _)| code));
        assert_eq!(
            (name("US"), name("CI"), name("ZW")),
            ("United states", "Côte d'ivoire", "Zimbabwe")
        );
        assert_eq!(
            (name("us"), name("Germany"), name("XX"), name("")),
            ("us", "Germany", "XX", "")
        );
        assert!(is_name("Viet Nam") && is_name("réunion") && !is_name("VN") && !is_name(""));
    }
}
